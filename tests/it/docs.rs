//! The pages that users read: each shell block is run as it stands against a real `scheduler dev`, in the order of its page,
//! and what a page shows of the output must be in it. It never judges the words around them.
//! Neighbours: `verify_signatures` runs the blocks of its page, `docs::pages` takes pages apart.

mod pages;
mod reader;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::app::App;
use pages::{Block, Kind, ROOT, blocks_of, pages};
use reader::Reader;

/// Blocks of these languages have tests of their own: `verify_signatures` and `standard_webhooks`.
const ELSEWHERE: [&str; 6] = ["python", "js", "go", "java", "csharp", "python standard-webhooks"];

async fn follow(page: &str) {
    let blocks = blocks_of(page);
    assert!(blocks.iter().any(|block| block.kind == Kind::Run), "{page} has no shell block");
    let mut reader = Reader::start();
    for block in &blocks {
        reader.follow(block).await;
    }
}

#[tokio::test]
async fn the_readme_does_what_it_says() {
    follow("README.md").await;
}

#[tokio::test]
async fn the_page_of_the_command_line_does_what_it_says() {
    follow("docs/cli.md").await;
}

#[tokio::test]
async fn a_reminder_in_an_hour_is_as_its_guide_says() {
    follow("docs/guides/remind-in-an-hour.md").await;
}

#[tokio::test]
async fn every_weekday_at_nine_is_as_its_guide_says() {
    follow("docs/guides/every-weekday-at-nine.md").await;
}

#[tokio::test]
async fn duplicates_are_as_their_guide_says() {
    follow("docs/guides/survive-duplicates.md").await;
}

#[tokio::test]
async fn a_failure_is_found_as_its_guide_says() {
    follow("docs/guides/debug-a-failure.md").await;
}

#[tokio::test]
async fn time_travels_as_its_guide_says() {
    follow("docs/guides/time-travel.md").await;
}

#[tokio::test]
async fn what_users_of_other_schedulers_are_told_works() {
    follow("docs/coming-from.md").await;
}

/// A page or a kind of block that no test knows would be one that nobody runs.
#[test]
fn every_page_and_every_block_has_its_test() {
    let here = include_str!("docs.rs");
    let mut kinds = BTreeSet::new();
    for page in pages() {
        let blocks = blocks_of(&page);
        kinds.extend(blocks.iter().map(|block| block.kind.clone()));
        let runs = blocks.iter().any(|block| block.kind == Kind::Run);
        let is_followed = here.contains(&format!("follow(\"{page}\")"));
        assert!(!runs || is_followed, "{page} has shell blocks that no test runs");
        for block in blocks {
            if let Kind::Other(language) = &block.kind {
                let is_run = ELSEWHERE.contains(&language.as_str());
                assert!(is_run, "{page}:{}: no test runs a block of {language:?}", block.line);
            }
        }
    }
    assert!(kinds.contains(&Kind::Serve) && kinds.contains(&Kind::Shown) && kinds.contains(&Kind::Make));
}

/// Each link from one page to another leads somewhere.
#[test]
fn links_between_pages_lead_somewhere() {
    let mut found = 0;
    for page in pages() {
        let text = std::fs::read_to_string(Path::new(ROOT).join(&page)).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            let place = Path::new(ROOT).join(&page).parent().unwrap().join(target);
            // The reference is generated.
            assert!(place.exists() || target.ends_with("api.md"), "{page} leads to {target}, which is not there");
            found += 1;
        }
    }
    assert!(found > 10, "only {found} links were found");
}

/// The reference is made from the document alone, and leaves out nothing of it.
#[tokio::test]
async fn the_reference_has_every_endpoint_parameter_and_member_of_the_document() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let document = app.get("/openapi.json").await.ok();
    let mut generator = Command::new(Path::new(ROOT).join("scripts/api-reference"));
    let mut generator = generator.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    generator.stdin.take().unwrap().write_all(document.to_string().as_bytes()).await.unwrap();
    let output = generator.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let page = String::from_utf8(output.stdout).unwrap();

    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    for (path, operations) in members(&document["paths"]) {
        for (method, operation) in members(&operations) {
            let section = section(&page, &format!("### `{} {path}`", method.to_uppercase()));
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let row =
                    format!("| `{}` | {} |", parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
                assert!(section.contains(&row), "{row} is not in {section}");
            }
            for (status, _) in members(&operation["responses"]) {
                assert!(section.contains(&format!("\n| {status} | ")), "{status} is not in {section}");
            }
        }
    }
    let schemas = members(&document["components"]["schemas"]);
    assert!(schemas.len() > 5, "the document has lost its schemas");
    for (name, schema) in schemas {
        let section = section(&page, &format!("### {name}"));
        for (member, _) in members(&schema["properties"]) {
            assert!(section.contains(&format!("\n| `{member}` | ")), "{member} is not in {section}");
        }
    }
}

fn section<'a>(page: &'a str, head: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n{head}\n")).unwrap_or_else(|| panic!("no section {head}"));
    rest.split("\n##").next().unwrap_or_default()
}

/// The one place that says which lines a block must show: `…` stands for anything.
#[test]
fn a_block_of_output_is_compared_line_by_line() {
    let shown = |lines: &[&str]| Block::shown(lines);
    let output = "a 1 b\nc\nd 2\n";
    for (lines, fits) in [
        (&["a … b", "d 2"][..], true),
        (&["a 1"], false),
        (&["a 1…"], true),
        (&["d 2", "a 1 b"], false),
        (&["…2"], true),
        (&["…3"], false),
    ] {
        assert_eq!(shown(lines).missing_from(output).is_none(), fits, "{lines:?}");
    }
}

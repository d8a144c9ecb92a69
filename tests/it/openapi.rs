//! The API against its own OpenAPI document, by a tool that reads nothing else: hostile and valid requests are made from
//! the document, and every answer must be one that it describes. Never a 5xx.
//! It never says what is right; `openapi.json` does. Neighbour: `tests/openapi` pins the tool and sets its checks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use crate::support::app::App;

const LONGEST_RUN: Duration = Duration::from_secs(240);

/// `.tools/venv`, where `make test` installs it.
fn schemathesis() -> (PathBuf, PathBuf) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let program = workspace.join(".tools/venv/bin/schemathesis");
    assert!(program.is_file(), "{} is missing: `make test` installs it", program.display());
    (program, workspace.join("tests/openapi/schemathesis.toml"))
}

#[tokio::test]
async fn every_answer_is_one_that_the_document_describes() {
    let app = App::dev().token("sch_testing_fuzzed").signing_secret("the-signing-secret").start().await;
    let (program, configuration) = schemathesis();
    let place = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(program);
    command.arg("--config-file").arg(configuration).args(["--no-color", "run", &app.url("/openapi.json")]);
    command.args(["--header", "Authorization: Bearer sch_testing_fuzzed"]).current_dir(place.path());
    let output = timeout(LONGEST_RUN, command.kill_on_drop(true).output()).await.expect("it ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // It leaves out the document's own path, and nothing else.
    let selected = said.lines().find_map(|line| line.trim().strip_prefix("Selected: ")).expect("it sums up");
    let (selected, of) = selected.split_once('/').unwrap();
    assert!(selected == of && selected.parse::<u32>().unwrap() >= 12, "{said}");
}

//! The rules of the source tree that neither the compiler nor clippy can keep.
//! It never looks at behaviour, and never runs another program. Neighbours: `clippy.toml` and `deny.toml`
//! hold the rules that their tools can express.

use std::fs;
use std::io;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Longer than this a file holds more than one thing.
const MOST_LINES: usize = 399;

// Cut in two wherever they stand in this file, so that it does not find itself.
const SLEEP: &str = concat!("sle", "ep(");
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("#[ign", "ore"),
];
const ELSEWHERE: [&str; 3] =
    [concat!("/wo", "rk/"), concat!("../sha", "red/CONTRACT"), concat!("../sha", "red/DESIGN")];

/// Server and Lambda crates; `deny.toml` keeps them out of the crates that `shared` depends on.
const SERVERS: [&str; 8] =
    ["axum", "hyper", "hyper-util", "lambda_http", "lambda_runtime", "tower", "tower-http", "utoipa-axum"];

#[test]
fn aws_sdk_dynamodb_is_named_only_inside_the_store() -> io::Result<()> {
    let may_name_it = ["shared/src/store/", "shared/src/store.rs", "cli/src/", "benches/", "tests/"];
    let found = lines_of(rust_files()?)
        .filter(|line| line.text.contains("aws_sdk_dynamodb"))
        .filter(|line| !may_name_it.iter().any(|place| line.path.starts_with(place)));
    assert_none(found, "DynamoDB is spoken to in shared/src/store/ alone: ask the store instead");
    Ok(())
}

#[test]
fn every_rust_file_is_under_400_lines() -> io::Result<()> {
    let found = rust_files()?.into_iter().filter(|file| file.text.lines().count() > MOST_LINES).map(|file| file.path);
    assert_none(found, "a file this long holds more than one thing: give the second one a file and a name");
    Ok(())
}

#[test]
fn every_module_begins_with_a_module_comment() -> io::Result<()> {
    let found = rust_files()?.into_iter().filter(|file| !file.text.starts_with("//! ")).map(|file| file.path);
    assert_none(found, "begin it with three lines of //!: what it is, what it never does, where its neighbours are");
    Ok(())
}

/// `support` may: letting time pass is what a slow receiver is for, and there the lint asks for a reason.
#[test]
fn no_test_sleeps() -> io::Result<()> {
    let found = lines_of(rust_files()?)
        .filter(|line| line.path.starts_with("tests/") && !line.path.starts_with("tests/it/support/"))
        .filter(|line| line.text.contains(SLEEP));
    assert_none(found, "wait on a condition with a deadline (support::waiting), or drive the clock");
    Ok(())
}

#[test]
fn shared_knows_neither_http_servers_nor_lambda() -> io::Result<()> {
    let found = lines_of(members()?)
        .filter(|line| line.path.starts_with("shared/"))
        .filter(|line| SERVERS.contains(&line.text.split(['.', ' ', '=']).next().unwrap_or_default()));
    assert_none(found, "this belongs in functions/api or functions/poller");
    Ok(())
}

#[test]
fn versions_stand_only_in_the_workspace() -> io::Result<()> {
    let mut found = Vec::new();
    for member in members()? {
        let mut in_dependencies = false;
        for line in lines_of([member]) {
            if line.text.starts_with('[') {
                in_dependencies = line.text.contains("dependencies");
            }
            if in_dependencies && states_where_it_comes_from(&line.text) {
                found.push(line);
            }
        }
    }
    assert_none(found, "name it in [workspace.dependencies] and say `.workspace = true` here");
    Ok(())
}

#[test]
fn no_todo_or_ignored_tests() -> io::Result<()> {
    let found = lines_of(files()?).filter(|line| UNFINISHED.iter().any(|mark| line.text.contains(mark)));
    assert_none(found, "finish it, or file an issue");
    Ok(())
}

#[test]
fn nothing_names_a_folder_outside_the_project() -> io::Result<()> {
    let found = lines_of(files()?).filter(|line| ELSEWHERE.iter().any(|place| line.text.contains(place)));
    assert_none(found, "whoever clones the project has no such folder");
    Ok(())
}

#[test]
fn every_test_that_the_threat_model_names_exists() -> io::Result<()> {
    let sources: String = rust_files()?.into_iter().map(|file| file.text).collect();
    let table = fs::read_to_string(Path::new(ROOT).join("SECURITY.md"))?;
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| threat ")).collect();
    let mut found: Vec<String> = Vec::new();
    for row in &rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let names: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        let missing = names.iter().filter(|name| !sources.contains(&format!("fn {name}(")));
        found.extend(missing.map(|name| (*name).to_owned()));
        if names.is_empty() {
            found.push(format!("no test: {row}"));
        }
    }
    assert!(rows.len() > 10, "SECURITY.md has lost its table");
    assert_none(found, "name the test in SECURITY.md that shows the threat stopped");
    Ok(())
}

/// Whether a line under `[dependencies]` says a version, a path or a repository of its own.
fn states_where_it_comes_from(line: &str) -> bool {
    let (_, value) = line.split_once('=').unwrap_or_default();
    let says = |key: &str| line.starts_with(key) || value.contains(&format!("{key} ="));
    value.trim_start().starts_with('"') || ["version", "path", "git"].into_iter().any(says)
}

struct File {
    /// From the root, with forward slashes.
    path: String,
    text: String,
}

struct Line {
    path: String,
    number: usize,
    text: String,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.number, self.text.trim())
    }
}

fn assert_none<T: ToString>(found: impl IntoIterator<Item = T>, cure: &str) {
    let found: Vec<String> = found.into_iter().map(|place| place.to_string()).collect();
    assert!(found.is_empty(), "{cure}\n  {}\n", found.join("\n  "));
}

fn lines_of(files: impl IntoIterator<Item = File>) -> impl Iterator<Item = Line> {
    files.into_iter().flat_map(|File { path, text }| {
        let lines: Vec<Line> = text
            .lines()
            .zip(1..)
            .map(|(text, number)| Line { path: path.clone(), number, text: text.to_owned() })
            .collect();
        lines
    })
}

fn rust_files() -> io::Result<Vec<File>> {
    Ok(files()?.into_iter().filter(|file| file.path.ends_with(".rs")).collect())
}

/// The manifests of the workspace's members; `fuzz` is a workspace of its own.
fn members() -> io::Result<Vec<File>> {
    let is_one = |path: &str| path.ends_with("/Cargo.toml") && path != "fuzz/Cargo.toml";
    Ok(files()?.into_iter().filter(|file| is_one(&file.path)).collect())
}

/// Every text file of the project; a walk that lost its way would find nothing wrong, so it must find this file.
fn files() -> io::Result<Vec<File>> {
    let mut found = Vec::new();
    walk(Path::new(ROOT), "", &mut found)?;
    assert!(found.iter().any(|file| file.path == "tests/it/tidy.rs"), "{ROOT} is not the root of the project");
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() && !is_generated_folder(&entry) {
            walk(&entry.path(), &format!("{path}/"), found)?;
        } else if kind.is_file()
            && !path.ends_with(".log")
            && path != ".git"
            && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
        {
            found.push(File { path, text });
        }
    }
    Ok(())
}

/// What `.gitignore` names, and all that is hidden but `.ci`. Cargo marks its target folder with a file, whatever its name.
fn is_generated_folder(folder: &fs::DirEntry) -> bool {
    let name = folder.file_name();
    let is_hidden = name.to_string_lossy().starts_with('.') && name != ".ci";
    let is_made = ["dist", "node_modules", "__pycache__"].iter().any(|made| name == *made);
    is_hidden || is_made || folder.path().join("CACHEDIR.TAG").exists()
}

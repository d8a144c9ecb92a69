//! What was measured on: the machine, how busy it was, and the versions that matter.
//! It never guesses: what cannot be read is an error.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use shared::clock::Clock;

use crate::ROOT;

/// The crates whose versions decide the figures.
const CRATES: [&str; 5] = ["aws-sdk-dynamodb", "reqwest", "tokio", "axum", "dynoxide-rs"];

/// A list in Markdown.
pub(crate) fn describe() -> anyhow::Result<String> {
    describe_with(&format!(", {}", java_version()?))
}

/// For what needs no Java.
pub(crate) fn describe_without_java() -> anyhow::Result<String> {
    describe_with("")
}

fn describe_with(java: &str) -> anyhow::Result<String> {
    let cpu = field("/proc/cpuinfo", "model name")?;
    let cores = std::thread::available_parallelism()?;
    let memory: u64 = field("/proc/meminfo", "MemTotal")?.trim_end_matches(" kB").parse()?;
    let system = field("/etc/os-release", "PRETTY_NAME")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load: Vec<&str> = load.split(' ').take(3).collect();
    let commit = first_line(Command::new("git").args(["-C", ROOT, "log", "-1", "--format=%h of %cs"]))?;
    Ok(format!(
        "- {}, commit {commit}\n- {cores} cores of {cpu}, {} GiB, {}, Linux {}; load average before the start {}\n- {}{java}; {}",
        Clock::System.now().format("%Y-%m-%d %H:%M UTC"),
        memory >> 20,
        system.trim_matches('"'),
        kernel.trim(),
        load.join(" "),
        first_line(Command::new("rustc").arg("--version"))?,
        versions()?,
    ))
}

/// When this is, and what of the product: for what no machine decides.
#[cfg(any(test, feature = "simulation"))]
pub(crate) fn when() -> anyhow::Result<String> {
    let commit = first_line(Command::new("git").args(["-C", ROOT, "log", "-1", "--format=%h of %cs"]))?;
    Ok(format!("{}, the product as of commit {commit}", Clock::System.now().format("%Y-%m-%d %H:%M UTC")))
}

/// The value of `name` in a file of lines `name: value` or `name=value`.
fn field(file: &str, name: &str) -> anyhow::Result<String> {
    let text = fs::read_to_string(file).with_context(|| file.to_owned())?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix([':', '=']));
    Ok(value.with_context(|| format!("{file} has no {name}"))?.trim().to_owned())
}

fn first_line(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let text = String::from_utf8(text)?;
    Ok(text.lines().next().with_context(|| format!("{command:?} says nothing"))?.to_owned())
}

fn java_version() -> anyhow::Result<String> {
    Ok(format!("DynamoDB Local {} on {}", dynamodb_local_version()?, first_line(Command::new("java").arg("-version"))?))
}

fn dynamodb_local_version() -> anyhow::Result<String> {
    let jars = Path::new(ROOT).join(".tools/dynamodb-local");
    for entry in fs::read_dir(&jars).with_context(|| jars.display().to_string())? {
        let name = entry?.file_name();
        let version = name.to_str().and_then(|name| name.strip_prefix("DynamoDBLocal-")?.strip_suffix(".jar"));
        if let Some(version) = version {
            return Ok(version.to_owned());
        }
    }
    bail!("{} holds no DynamoDBLocal-*.jar", jars.display())
}

/// As the lock file has them.
fn versions() -> anyhow::Result<String> {
    let lock = fs::read_to_string(Path::new(ROOT).join("Cargo.lock"))?;
    let version = |name: &str| {
        let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some(format!("{name} {}", after.split('"').next()?))
    };
    let found = CRATES.iter().map(|name| version(name).with_context(|| format!("Cargo.lock has no {name}")));
    Ok(found.collect::<anyhow::Result<Vec<_>>>()?.join(", "))
}

//! Pages in Markdown, taken apart into their blocks of code. It never runs one.
//! Neighbour: `reader` does.

use std::path::Path;

pub(super) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The operator's guide needs AWS: its commands are not run here.
const NOT_HERE: [&str; 1] = ["docs/operations.md"];

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `sh`: run to its end, which must be a success.
    Run,
    /// `sh server`: `scheduler dev` or `scheduler receive`, which goes on in the background.
    Serve,
    /// `sh make`: commands of the Makefile, which must exist.
    Make,
    /// `sh aws`: commands on a store of one's own or on AWS, which must be the program's.
    Elsewhere,
    /// `text`: lines of the output of the block before.
    Shown,
    /// `text receive`: lines that the receiver prints.
    Received,
    /// `toml`: a file of profiles.
    Profiles,
    /// `sql`, in other people's databases.
    Sql,
    Other(String),
}

#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) kind: Kind,
    pub(super) line: usize,
    pub(super) lines: Vec<String>,
}

/// The pages for users: README and everything in docs.
pub(super) fn pages() -> Vec<String> {
    let mut found = vec!["README.md".to_owned()];
    for folder in ["docs", "docs/guides"] {
        for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let page = format!("{folder}/{name}");
            if name.ends_with(".md") && name != "api.md" && !NOT_HERE.contains(&page.as_str()) {
                found.push(page);
            }
        }
    }
    assert!(found.len() > 7, "only {found:?} were found");
    found
}

pub(super) fn blocks_of(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
    let (mut blocks, mut open) = (Vec::new(), None::<Block>);
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block { kind: Kind::of(language), line: number + 1, lines: Vec::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.lines.push(line.to_owned()),
            // Markdown takes four spaces after an empty line for code as well; a test would not see it.
            (None, None) => {
                let is_code = line.starts_with("    ") && page != "docs/verify-signatures.md";
                assert!(!is_code, "{page}:{}: give this block a fence and a language", number + 1);
            }
        }
    }
    assert!(open.is_none(), "{page}: a block does not end");
    blocks
}

impl Kind {
    fn of(language: &str) -> Self {
        match language {
            "sh" => Self::Run,
            "sh server" => Self::Serve,
            "sh make" => Self::Make,
            "sh aws" => Self::Elsewhere,
            "text" => Self::Shown,
            "text receive" => Self::Received,
            "toml" => Self::Profiles,
            "sql" => Self::Sql,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl Block {
    pub(super) fn shown(lines: &[&str]) -> Self {
        Self { kind: Kind::Shown, line: 0, lines: lines.iter().map(|&line| line.to_owned()).collect() }
    }

    pub(super) fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The first line that is not in the output, in this order; `…` stands for anything.
    pub(super) fn missing_from(&self, output: &str) -> Option<&str> {
        let mut left = output.lines();
        let missing = |line: &&String| !left.by_ref().any(|printed| fits(line, printed.trim_end()));
        let mut lines = self.lines.iter();
        lines.find(missing).map(String::as_str)
    }
}

fn fits(shown: &str, printed: &str) -> bool {
    let parts: Vec<_> = shown.split('…').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    if parts.len() == 1 {
        return rest.is_empty();
    }
    for part in &parts[1..parts.len() - 1] {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

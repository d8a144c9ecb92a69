//! `scheduler completions SHELL`: what a shell loads to complete our commands and flags. It installs nothing.
//! Neighbour: `main` has the commands.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::Arguments;

#[derive(Debug, Args)]
pub(crate) struct Options {
    shell: Shell,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "scheduler", &mut text);
    crate::say(String::from_utf8(text)?.trim_end())?;
    Ok(())
}

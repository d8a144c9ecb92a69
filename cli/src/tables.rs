//! `scheduler tables`: makes the tables in a store on this machine. On AWS the stack makes them.
//! Neighbour: `store::table` is the one definition of their shape.

use anyhow::bail;
use clap::Subcommand;
use shared::config::Settings;
use shared::store::{local_client, table};

use crate::{is_on_this_machine, say, variable};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the tables that are missing in the store on this machine that AWS_ENDPOINT_URL_DYNAMODB names.
    Create,
}

pub(crate) async fn run(command: &Command, settings: &Settings) -> anyhow::Result<()> {
    match command {
        Command::Create => {
            // On AWS they would lack what the stack gives them: encryption, backups, protection from deletion.
            let Some(endpoint) = variable("AWS_ENDPOINT_URL_DYNAMODB").filter(|url| is_on_this_machine(url)) else {
                bail!(
                    "AWS_ENDPOINT_URL_DYNAMODB names no store on this machine, and on AWS the stack makes the tables"
                );
            };
            table::create_missing(&local_client(&endpoint), &settings.tables).await?;
            for table in table::definitions(&settings.tables) {
                say(&table.name)?;
            }
        }
    }
    Ok(())
}

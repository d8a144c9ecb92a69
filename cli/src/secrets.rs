//! `scheduler secret`: sets and rotates what a tenant's callbacks are signed with.
//! It prints only secrets that it made itself. Neighbours: `shared::signature`, `store::tenants`.

use anyhow::bail;
use clap::Subcommand;
use shared::ids::TenantId;
use shared::store::tenants::Tenants;
use shared::token;

use crate::{read_nonempty, read_tenant, say};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make this, or a new one that is printed, the only secret.
    Set {
        #[arg(long, value_parser = read_tenant)]
        tenant: TenantId,
        #[arg(long, value_parser = read_nonempty)]
        secret: Option<String>,
    },
    /// Print a new secret and sign with it and the one before it.
    Rotate {
        #[arg(long, value_parser = read_tenant)]
        tenant: TenantId,
    },
    /// End a rotation: sign with the new secret only.
    Retire {
        #[arg(long, value_parser = read_tenant)]
        tenant: TenantId,
    },
}

pub(crate) async fn run(command: Command, tenants: &Tenants) -> anyhow::Result<()> {
    match command {
        Command::Set { tenant, secret: Some(secret) } => {
            tenants.set_secret(&tenant, secret).await?;
            say(&format!("set the signing secret of {tenant}"))?;
        }
        Command::Set { tenant, secret: None } => {
            let secret = token::generate_secret()?;
            tenants.set_secret(&tenant, secret.clone()).await?;
            say(&secret)?;
        }
        Command::Rotate { tenant } => {
            let secret = token::generate_secret()?;
            tenants.rotate_secret(&tenant, secret.clone()).await?;
            say(&secret)?;
            eprintln!("Callbacks carry both signatures until: scheduler secret retire --tenant {tenant}");
        }
        Command::Retire { tenant } => {
            if !tenants.retire_secret(&tenant).await? {
                bail!("no rotation of {tenant}'s signing secret is under way");
            }
            say(&format!("retired the old signing secret of {tenant}"))?;
        }
    }
    Ok(())
}

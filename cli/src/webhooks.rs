//! `scheduler webhooks`: whether a tenant's callbacks also carry the headers of the Standard Webhooks specification.
//! It never shows or changes a secret; `secrets` does. Neighbours: `shared::signature`, `store::tenants`.

use clap::Subcommand;
use shared::ids::TenantId;
use shared::store::tenants::Tenants;

use crate::{read_tenant, say};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send webhook-id, webhook-timestamp and webhook-signature beside the other headers.
    Enable {
        #[arg(long, value_parser = read_tenant)]
        tenant: TenantId,
    },
    /// Send them no longer.
    Disable {
        #[arg(long, value_parser = read_tenant)]
        tenant: TenantId,
    },
}

pub(crate) async fn run(command: Command, tenants: &Tenants) -> anyhow::Result<()> {
    match command {
        Command::Enable { tenant } => {
            let signs = tenants.set_standard_webhooks(&tenant, true).await?;
            say(&format!("callbacks of {tenant} carry the Standard Webhooks headers"))?;
            if !signs {
                eprintln!("They need a secret, which {tenant} has not yet: scheduler secret set --tenant {tenant}");
            }
        }
        Command::Disable { tenant } => {
            tenants.set_standard_webhooks(&tenant, false).await?;
            say(&format!("callbacks of {tenant} carry no Standard Webhooks headers"))?;
        }
    }
    Ok(())
}

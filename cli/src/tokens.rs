//! `scheduler token`: makes, lists and revokes API tokens. A token is printed once and kept only as a hash.
//! Neighbours: `shared::token` is the record, `store::tenants` the table.

use anyhow::bail;
use clap::Subcommand;
use shared::clock::{Clock, Timestamp, format_instant};
use shared::ids::TenantId;
use shared::store::tenants::Tenants;
use shared::store::usage::Usage;
use shared::token::{self, Scope, TokenRecord};

use crate::{one_line, read_instant, read_tenant, say};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token and print it, this once.
    Create {
        #[arg(long, value_parser = read_tenant)]
        tenant: TenantId,
        /// `read` or `write`; may be given twice. `write` does not imply `read`.
        #[arg(long = "scope", required = true, value_parser = read_scope)]
        scopes: Vec<Scope>,
        /// When it ends, such as 2027-01-01T00:00:00Z.
        #[arg(long, value_parser = read_instant)]
        expires: Option<Timestamp>,
    },
    /// List tokens by their public prefix, with their last use: within about ten seconds, forgotten after 90 days.
    List {
        #[arg(long, value_parser = read_tenant)]
        tenant: Option<TenantId>,
    },
    /// Revoke the token with this public prefix. The API notices within a minute.
    Revoke { prefix: String },
}

pub(crate) async fn run(command: Command, tenants: &Tenants, usage: &Usage) -> anyhow::Result<()> {
    let now = Clock::System.now();
    match command {
        Command::Create { tenant, scopes, expires } => {
            if expires.is_some_and(|expires| expires <= now) {
                bail!("--expires lies in the past");
            }
            let token = token::generate()?;
            tenants.put_token(TokenRecord::new(&token, tenant, without_repeats(scopes), expires, now)).await?;
            say(&token)?;
            eprintln!("It is not shown again; its prefix is {}", token::prefix(&token));
        }
        Command::List { tenant } => {
            say(&row(["PREFIX", "TENANT", "SCOPES", "CREATED", "LAST USED", "EXPIRES", "REVOKED"]))?;
            let mut unknown = None;
            for record in tenants.list_tokens(tenant.as_ref()).await? {
                let last_use = usage.last_use(&record.prefix).await;
                unknown = unknown.or(last_use.as_ref().err().map(ToString::to_string));
                let last_use = last_use.map_or_else(|_| "?".to_owned(), |at| at.map_or("-".to_owned(), format_instant));
                say(&row_of(&record, &last_use))?;
            }
            // Usage may be lost; the list of tokens may not.
            if let Some(problem) = unknown {
                eprintln!("The last uses are not known (is USAGE_TABLE set?): {}", one_line(&problem));
            }
        }
        Command::Revoke { prefix } => {
            // Whoever pastes the whole token means the same one.
            let meant = token::prefixes_meant(&prefix);
            for prefix in &meant {
                if tenants.revoke_token(prefix, now).await? {
                    say(&format!("revoked {prefix}"))?;
                    return Ok(());
                }
            }
            bail!("there is no token with the prefix {}", meant.join(" or "));
        }
    }
    Ok(())
}

fn row_of(record: &TokenRecord, last_use: &str) -> String {
    let scopes: Vec<&str> = record.scopes.iter().copied().map(name_of).collect();
    row([
        &record.prefix,
        record.tenant.as_str(),
        &scopes.join(","),
        &record.created_at_utc,
        last_use,
        record.expires_at_utc.as_deref().unwrap_or("-"),
        record.revoked_at_utc.as_deref().unwrap_or("-"),
    ])
}

fn row([prefix, tenant, scopes, created, used, expires, revoked]: [&str; 7]) -> String {
    format!("{prefix:<14}{tenant:<20} {scopes:<12}{created:<26}{used:<26}{expires:<26}{revoked}")
}

fn name_of(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Write => "write",
    }
}

fn read_scope(text: &str) -> Result<Scope, String> {
    match text {
        "read" => Ok(Scope::Read),
        "write" => Ok(Scope::Write),
        _ => Err("a scope is read or write".to_owned()),
    }
}

fn without_repeats(scopes: Vec<Scope>) -> Vec<Scope> {
    [Scope::Read, Scope::Write].into_iter().filter(|scope| scopes.contains(scope)).collect()
}

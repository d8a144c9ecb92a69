//! The embedded store: a DynamoDB emulator on SQLite, served on loopback so that the AWS SDK talks to it as to AWS.
//! It knows nothing of jobs. Neighbour: `dev` makes the tables in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use dynoxide::Database;
use dynoxide::storage::Storage;
use tokio::net::TcpListener;

use crate::dev::listen;

const DEFAULT_PORT: u16 = 8000;
const SWEEP_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Where the data is.
#[derive(Debug)]
pub(crate) enum Data {
    Memory,
    File(PathBuf),
}

/// A store that serves until the process ends.
pub(crate) struct EmbeddedDynamoDb {
    pub(crate) endpoint: String,
    database: Database,
}

impl EmbeddedDynamoDb {
    /// `port`: what the user asked for, if anything; 0 is any free one.
    pub(crate) async fn start(data: &Data, port: Option<u16>) -> anyhow::Result<Self> {
        let listener = listen_for_store(port).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let database = open(data)?;
        let server = dynoxide::server::serve_with_shutdown(listener, database.clone(), std::future::pending());
        tokio::spawn(async move {
            if let Err(problem) = server.await {
                tracing::error!("the embedded DynamoDB has stopped: {problem}");
            }
        });
        Ok(Self { endpoint, database })
    }

    /// Removes expired items now and once an hour, as DynamoDB's TTL would. Never returns.
    pub(crate) async fn keep_sweeping(self) {
        let mut timer = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            timer.tick().await;
            let database = self.database.clone();
            match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
                Ok(Ok(count)) => tracing::debug!("swept {count} expired items"),
                Ok(Err(error)) => tracing::warn!("expired items could not be swept: {error}"),
                Err(error) => tracing::warn!("the sweep of expired items broke: {error}"),
            }
        }
    }
}

/// A taken port is an error only when the user asked for it.
async fn listen_for_store(port: Option<u16>) -> anyhow::Result<TcpListener> {
    match port {
        Some(port) => listen(port).await,
        None => match listen(DEFAULT_PORT).await {
            Ok(listener) => Ok(listener),
            Err(_) => listen(0).await,
        },
    }
}

fn open(data: &Data) -> anyhow::Result<Database> {
    match data {
        Data::Memory => Database::memory().context("the store in memory cannot be made"),
        Data::File(path) => open_file(path).with_context(|| format!("the data file {} cannot be used", path.display())),
    }
}

fn open_file(path: &Path) -> anyhow::Result<Database> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let path = path.to_str().context("its name is not UTF-8")?;
    check(path)?;
    Database::new(path).map_err(in_short)
}

/// What is damaged would otherwise be found out job by job, for as long as the program runs.
fn check(path: &str) -> anyhow::Result<()> {
    let storage = Storage::new(path).map_err(in_short)?;
    let verdict = storage.conn().query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?;
    let damage = verdict.lines().find(|line| !line.starts_with("***")).unwrap_or(&verdict);
    anyhow::ensure!(verdict == "ok", "it is damaged: {damage}");
    Ok(())
}

/// The sentences after the first are about features of the emulator that are not built in.
fn in_short(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::Error::msg(error.to_string().split(". ").next().unwrap_or_default().to_owned())
}

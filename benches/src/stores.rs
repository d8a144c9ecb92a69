//! The stores of the peers, as Debian packages them: PostgreSQL and Redis on free ports, with data of their own.
//! They leave what else of them runs on this machine alone, and end with what holds them. Neighbour: `process`.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Server, free_port};

/// Unlike /tmp it is never in memory, where writing through would cost nothing.
const ON_DISK: &str = "/var/tmp";

/// PostgreSQL, which is told to stop before its data goes: killed, it would leave its shared memory behind.
#[derive(Debug)]
pub(crate) struct Postgres {
    pub(crate) server: Server,
    commands: PathBuf,
    data: TempDir,
    user: Option<User>,
}

/// Who PostgreSQL runs as: it refuses to run as root.
#[derive(Clone, Copy, Debug)]
struct User {
    id: u32,
    group: u32,
}

impl Postgres {
    /// With its defaults: every commit is on disk before it is answered.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let commands = postgres_commands()?;
        let data = TempDir::with_prefix_in("bench-postgres-", ON_DISK)?;
        let is_root = fs::read_to_string("/proc/self/status")?.lines().any(|line| line.starts_with("Uid:\t0\t"));
        let user = if is_root { Some(User::named("postgres")?) } else { None };
        if let Some(User { id, group }) = user {
            chown(data.path(), Some(id), Some(group))?;
        }
        let folder = data.path().join("data");
        let made = Self::command(&commands, "initdb", &folder, user)
            .args(["--username=bench", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"])
            .stdin(Stdio::null())
            .output()
            .await?;
        if !made.status.success() {
            bail!("initdb: {}", String::from_utf8_lossy(&made.stderr));
        }
        let port = free_port()?;
        let mut postgres = Self::command(&commands, "postgres", &folder, user);
        postgres.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        let server = Server::start_other(&mut postgres, port, None).await?;
        Ok(Self { server, commands, data, user })
    }

    fn command(commands: &Path, name: &str, data: &Path, user: Option<User>) -> Command {
        let mut command = std::process::Command::new(commands.join(name));
        command.arg("-D").arg(data).current_dir("/");
        if let Some(User { id, group }) = user {
            command.uid(id).gid(group);
        }
        Command::from(command)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = Self::command(&self.commands, "pg_ctl", &self.data.path().join("data"), self.user);
        stop.args(["stop", "--mode=immediate", "--wait", "--silent"]).stdin(Stdio::null());
        if let Err(error) = stop.as_std_mut().status() {
            eprintln!("bench: PostgreSQL could not be stopped: {error}");
        }
    }
}

impl User {
    fn named(name: &str) -> anyhow::Result<Self> {
        let users = fs::read_to_string("/etc/passwd")?;
        let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        for fields in fields {
            if let [found, _, id, group, ..] = fields.as_slice()
                && *found == name
            {
                return Ok(Self { id: id.parse()?, group: group.parse()? });
            }
        }
        bail!("there is no user {name}: Debian's package postgresql makes one")
    }
}

/// Debian keeps them out of PATH, in a folder for each version; the newest is taken.
fn postgres_commands() -> anyhow::Result<PathBuf> {
    let versions = Path::new("/usr/lib/postgresql");
    let missing = || format!("no PostgreSQL in {}: scripts/install-bench-needs installs it", versions.display());
    let found = fs::read_dir(versions).with_context(missing)?.filter_map(Result::ok).filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        entry.path().join("bin/postgres").exists().then(|| (version, entry.path().join("bin")))
    });
    Ok(found.max().with_context(missing)?.1)
}

/// Redis with an append-only file that is written through each second or, with `always`, before each answer.
pub(crate) async fn redis(append_fsync: &str) -> anyhow::Result<Server> {
    let data = TempDir::with_prefix_in("bench-redis-", ON_DISK)?;
    let port = free_port()?;
    let mut redis = Command::new("redis-server");
    redis
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--maxmemory-policy", "noeviction"])
        .args(["--appendonly", "yes", "--appendfsync", append_fsync, "--dir"])
        .arg(data.path())
        .current_dir("/");
    Server::start_other(&mut redis, port, Some(data)).await
}

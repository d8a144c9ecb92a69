//! Tokens and signing secrets, made and ended with the program's own commands on the store of a running app; and those
//! commands with no app around them. It never writes to the tables itself. Neighbour: `app` runs the commands.

use std::ffi::OsString;
use std::process::Stdio;

use tokio::process::Command;

use super::app::{App, built_program};
use super::process::{Exit, Process};

/// Runs the program's command, such as `["token", "list"]`, with this environment and no other, and returns how it ended.
pub async fn scheduler(arguments: &[&str], environment: &[(String, OsString)]) -> Exit {
    let mut command = Command::new(built_program());
    command.args(arguments).env_clear().envs(environment.iter().cloned()).stdin(Stdio::null());
    Process::spawn(command).exit().await
}

impl App {
    /// A new token of `scheduler token create`; scopes such as `["read", "write"]`.
    pub async fn token(&self, tenant: &str, scopes: &[&str]) -> String {
        self.token_until(tenant, scopes, None).await
    }

    /// The same, ending at an instant.
    pub async fn token_until(&self, tenant: &str, scopes: &[&str], expires: Option<&str>) -> String {
        let mut arguments = vec!["token", "create", "--tenant", tenant];
        arguments.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        arguments.extend(expires.iter().flat_map(|instant| ["--expires", instant]));
        self.command(&arguments).await.succeeded().stdout.clone()
    }

    pub async fn revoke(&self, token: &str) {
        self.command(&["token", "revoke", token]).await.succeeded();
    }

    /// `scheduler secret set|rotate|retire` for a tenant; what it prints on standard output.
    pub async fn secret(&self, action: &str, tenant: &str) -> String {
        self.command(&["secret", action, "--tenant", tenant]).await.succeeded().stdout.clone()
    }
}

impl Exit {
    pub fn succeeded(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It ended with code 1 and one line on standard error, which says this.
    pub fn failed_saying(&self, text: &str) -> &Self {
        assert_eq!((self.code, self.stderr.lines().count()), (Some(1), 1), "{self:?}");
        assert!(self.stderr.contains(text), "{text:?} is not in {self:?}");
        self
    }
}

//! Which Scheduler, and with which token: from flags, the environment, or a profile in `~/.config/scheduler.toml`.
//! It never gives a profile's token to another URL than the profile's own. Neighbours: `job` and `receive` ask it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use scheduler_client::Client;
use serde::Deserialize;

use crate::exit::Usage;
use crate::variable;

/// Where `scheduler dev` serves, and its token.
const LOCAL: (&str, &str) = ("http://127.0.0.1:8080", "dev");

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which Scheduler")]
pub(crate) struct Connection {
    /// Where it is [env: SCHEDULER_URL] [default: http://127.0.0.1:8080]
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// What lets you in [env: SCHEDULER_TOKEN] [default on this machine: dev]
    #[arg(long, global = true)]
    token: Option<String>,
    /// A profile in ~/.config/scheduler.toml [env: SCHEDULER_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
}

/// `~/.config/scheduler.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    /// The profile when none is named; `default` unless given.
    profile: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Profile {
    url: Option<String>,
    token: Option<String>,
    /// For `scheduler receive`.
    signing_secret: Option<String>,
}

impl Connection {
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let (url, token) = self.resolve(&read_file()?, variable)?;
        Ok(Client::new(&url, &token)?)
    }

    fn resolve(&self, file: &File, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<(String, String)> {
        let profile = file.profile(self.profile.as_deref(), &variable)?;
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        // A profile that the command line names wins over the environment.
        let is_named = self.profile.is_some();
        let of_environment = |name: &str| if is_named { None } else { set(name) };
        let given = self.url.clone().or_else(|| of_environment("SCHEDULER_URL"));
        let belongs = given.is_none() || given == profile.url;
        let url = given.or_else(|| profile.url.clone()).unwrap_or_else(|| LOCAL.0.to_owned());
        let token = self.token.clone().or_else(|| of_environment("SCHEDULER_TOKEN"));
        let token = token.or_else(|| profile.token.clone().filter(|_| belongs));
        match token.or_else(|| crate::is_on_this_machine(&url).then(|| LOCAL.1.to_owned())) {
            Some(token) => Ok((url, token)),
            None => Err(Usage(format!("no token for {url}: give --token, SCHEDULER_TOKEN or a profile")).into()),
        }
    }
}

/// The secret that callbacks are signed with: the flag's, SCHEDULER_SIGNING_SECRET, or a profile's.
pub(crate) fn signing_secret(flag: Option<String>, profile: Option<&str>) -> anyhow::Result<Option<String>> {
    if flag.is_some() {
        return Ok(flag);
    }
    let of_environment = if profile.is_none() { variable("SCHEDULER_SIGNING_SECRET") } else { None };
    let file = read_file()?;
    let of_profile = file.profile(profile, variable)?.signing_secret.clone();
    Ok(of_environment.or(of_profile).filter(|secret| !secret.is_empty()))
}

impl File {
    fn profile(&self, named: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<&Profile> {
        static NONE: Profile = Profile { url: None, token: None, signing_secret: None };
        let of_environment = variable("SCHEDULER_PROFILE").filter(|name| !name.is_empty());
        let asked_for = named.map(ToOwned::to_owned).or(of_environment).or_else(|| self.profile.clone());
        match (self.profiles.get(asked_for.as_deref().unwrap_or("default")), asked_for) {
            (Some(profile), _) => Ok(profile),
            (None, None) => Ok(&NONE),
            (None, Some(name)) => {
                let known: Vec<_> = self.profiles.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let place = place().unwrap_or_default();
                Err(Usage(format!("there is no profile {name:?} in {}: {known}", place.display())).into())
            }
        }
    }
}

/// `None` for somebody without a home.
fn place() -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = || set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    set("SCHEDULER_CONFIG").or_else(|| Some(folder()?.join("scheduler.toml")))
}

/// Nothing, when there is no file.
fn read_file() -> anyhow::Result<File> {
    let Some(place) = place() else { return Ok(File::default()) };
    let text = match std::fs::read_to_string(&place) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(File::default()),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", place.display())),
    };
    warn_when_others_may_read(&place);
    // The parser's own words show the line, and with it perhaps a token.
    let file = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
        Usage(format!("{}, line {line}: {}", place.display(), error.message()))
    })?;
    Ok(file)
}

fn warn_when_others_may_read(place: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(place).map_or(0, |file| file.permissions().mode());
    if mode & 0o077 != 0 {
        eprintln!("scheduler: others can read the tokens in {0}: chmod 600 {0}", place.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [profiles.default]
        url = "https://a.example"
        token = "token-a"

        [profiles.b]
        url = "https://b.example"
        token = "token-b"
    "#;

    fn resolved(flags: [Option<&str>; 3], environment: &[(&str, &str)], file: &str) -> String {
        let [url, token, profile] = flags.map(|flag| flag.map(ToOwned::to_owned));
        let variable = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let resolved = Connection { url, token, profile }.resolve(&toml::from_str(file).unwrap(), variable);
        resolved.map_or_else(|error| error.to_string(), |(url, token)| format!("{url} {token}"))
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_a_profile() {
        let environment = [("SCHEDULER_URL", "https://e.example"), ("SCHEDULER_TOKEN", "token-e")];
        for (flags, environment, file, expected) in [
            ([None, None, None], &[][..], "", "http://127.0.0.1:8080 dev"),
            ([None, None, None], &[], FILE, "https://a.example token-a"),
            ([None, None, None], &environment, FILE, "https://e.example token-e"),
            ([None, None, Some("b")], &environment, FILE, "https://b.example token-b"),
            ([None, None, None], &[("SCHEDULER_PROFILE", "b")], FILE, "https://b.example token-b"),
            ([Some("https://f.example"), Some("token-f"), None], &environment, FILE, "https://f.example token-f"),
            ([None, Some("token-f"), Some("b")], &[], FILE, "https://b.example token-f"),
            ([Some("http://localhost:1"), None, None], &[], FILE, "http://localhost:1 dev"),
        ] {
            assert_eq!(resolved(flags, environment, file), expected);
        }
    }

    #[test]
    fn a_profiles_token_goes_to_the_profiles_url_alone() {
        let elsewhere = resolved([Some("https://f.example"), None, None], &[], FILE);
        assert_eq!(elsewhere, "no token for https://f.example: give --token, SCHEDULER_TOKEN or a profile");
        assert!(resolved([None, None, None], &[("SCHEDULER_URL", "https://e.example")], FILE).starts_with("no token"));
    }

    #[test]
    fn a_profile_that_there_is_not_is_told_beside_those_that_there_are() {
        assert!(resolved([None, None, Some("c")], &[], FILE).ends_with(": b, default"));
    }
}

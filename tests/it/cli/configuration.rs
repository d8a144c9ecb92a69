//! Which Scheduler a command speaks to: flags, environment, profiles. It never leaves this machine.
//! Neighbours: `connection` in the command's crate has the rules as a table, this the file itself.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use crate::support::administration::scheduler;
use crate::support::app::App;
use crate::support::process::Exit;

async fn list(home: &Path, arguments: &[&str], more: &[(&str, &str)]) -> Exit {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
    let environment: Vec<_> = more.chain([("HOME".to_owned(), home.into())]).collect();
    scheduler(&[&["job", "list"], arguments].concat(), &environment).await
}

fn write(home: &Path, text: &str, mode: u32) {
    let folder = home.join(".config");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("scheduler.toml");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn profiles_of_the_file_are_chosen_by_flag_environment_and_file() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let home = TempDir::new().unwrap();
    let (url, token) = (app.url(""), app.token_of_dev());
    let profiles = format!(
        "[profiles.default]\nurl = \"http://127.0.0.1:9\"\n\n[profiles.real]\nurl = \"{url}\"\ntoken = \"{token}\"\n"
    );
    write(home.path(), &profiles, 0o600);
    assert_eq!(list(home.path(), &["--profile", "real"], &[]).await.succeeded().stderr, "");
    list(home.path(), &[], &[("SCHEDULER_PROFILE", "real")]).await.succeeded();
    // What was named wins over the environment.
    list(home.path(), &["--profile", "real"], &[("SCHEDULER_URL", "http://127.0.0.1:9")]).await.succeeded();

    write(home.path(), &format!("profile = \"real\"\n{profiles}"), 0o644);
    let exit = list(home.path(), &[], &[]).await;
    assert!(exit.succeeded().stderr.contains("chmod 600"), "{exit:?}");
    let exit = list(home.path(), &["--profile", "other"], &[]).await;
    assert_eq!(exit.code, Some(2));
    assert!(exit.stderr.contains("default, real"), "{exit:?}");
}

#[tokio::test]
async fn a_broken_file_is_named_with_its_line_and_without_its_tokens() {
    let home = TempDir::new().unwrap();
    for (text, line) in
        [("[profiles.a]\ntoken = \"secret-token\n", 2), ("[profiles.a]\n\ntokn = \"secret-token\"\n", 3)]
    {
        write(home.path(), text, 0o600);
        let exit = list(home.path(), &[], &[]).await;
        assert_eq!(exit.code, Some(2), "{exit:?}");
        assert!(exit.stderr.contains(&format!("scheduler.toml, line {line}")), "{exit:?}");
        assert!(!exit.stderr.contains("secret-token"), "{exit:?}");
    }
}

#[tokio::test]
async fn a_token_is_not_sent_to_a_url_that_it_is_not_for() {
    let home = TempDir::new().unwrap();
    write(home.path(), "[profiles.default]\nurl = \"https://scheduler.example\"\ntoken = \"t\"\n", 0o600);
    let exit = list(home.path(), &["--url", "https://elsewhere.example"], &[]).await;
    assert_eq!(exit.code, Some(2), "{exit:?}");
    assert!(exit.stderr.contains("no token for https://elsewhere.example"), "{exit:?}");
}

#[tokio::test]
async fn a_scheduler_that_cannot_be_reached_has_an_exit_code_of_its_own() {
    let home = TempDir::new().unwrap();
    let exit = list(home.path(), &["--url", "http://127.0.0.1:9"], &[]).await;
    assert_eq!((exit.code, exit.stderr.lines().count()), (Some(6), 1), "{exit:?}");
    assert!(exit.stderr.contains("http://127.0.0.1:9 did not answer GET /scheduled-jobs"), "{exit:?}");
}

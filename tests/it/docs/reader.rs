//! Somebody who does what a page says, in a home of their own: servers go on in the background, the rest is run in turn.
//! Ports are the only thing that is changed: 8080 and 9000 become free ones. Neighbour: `pages` takes pages apart.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use super::pages::{Block, Kind, ROOT};
use crate::support::app::built_program;
use crate::support::ports::unused_port;
use crate::support::process::Process;
use crate::support::waiting::until_some;

const LONGEST_RUN: Duration = Duration::from_secs(60);
/// What remembers the variables of the blocks before.
const MEMORY: &str = "memory.sh";

pub(super) struct Reader {
    home: TempDir,
    scheduler: Option<(Process, String)>,
    receiver: Option<Process>,
    /// Where the receiver will listen: a page may name it before it is started.
    receiver_port: u16,
    /// Of the block before.
    output: String,
}

impl Reader {
    pub(super) fn start() -> Self {
        let home = TempDir::new().unwrap();
        let (bin, release) = (home.path().join("bin"), home.path().join("target/release"));
        for folder in [&bin, &release] {
            std::fs::create_dir_all(folder).unwrap();
            std::os::unix::fs::symlink(built_program(), folder.join("scheduler")).unwrap();
        }
        Self { home, scheduler: None, receiver: None, receiver_port: unused_port(), output: String::new() }
    }

    pub(super) async fn follow(&mut self, block: &Block) {
        let what = format!("the block in line {}", block.line);
        match &block.kind {
            Kind::Serve => self.serve(&block.text()).await,
            Kind::Run => {
                // A page may leave it to the reader to have one.
                if self.scheduler.is_none() {
                    self.serve("scheduler dev --in-memory --poll-interval 100ms").await;
                }
                self.run(&what, &block.text()).await;
            }
            Kind::Shown => {
                let missing = block.missing_from(&self.output);
                assert!(missing.is_none(), "{what} shows {missing:?}, which is not in\n{}", self.output);
            }
            Kind::Received => {
                let receiver = self.receiver.as_ref().expect("a receiver");
                let stated = async || block.missing_from(&receiver.stdout().join("\n")).is_none().then_some(());
                until_some(&format!("{what} to be printed:\n{}\n", block.text()), stated).await;
            }
            Kind::Make => is_in_the_makefile(&what, block),
            Kind::Elsewhere => self.is_understood(&what, block).await,
            Kind::Profiles => self.is_a_file_of_profiles(block).await,
            Kind::Sql | Kind::Other(_) => {}
        }
    }

    async fn serve(&mut self, line: &str) {
        let line = line.trim().trim_start_matches("target/release/");
        let command = |ports: &str| self.bash(&format!("exec {} {ports}", self.with_ports(line)));
        if line.starts_with("scheduler dev") {
            let process = Process::spawn(command("--port 0 --dynamodb-port 0"));
            let url = process.wait_for_announcement("ready ").await;
            self.scheduler = Some((process, url));
        } else {
            assert!(line.starts_with("scheduler receive"), "{line:?} is no server");
            let process = Process::spawn(command(&format!("--port {}", self.receiver_port)));
            process.wait_for_announcement("ready ").await;
            self.receiver = Some(process);
        }
    }

    async fn run(&mut self, what: &str, code: &str) {
        let assigned = code.lines().filter_map(|line| line.trim_start_matches("export ").split_once('='));
        let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let names: Vec<_> = assigned.map(|(name, _)| name).filter(is_name).collect();
        let remember =
            if names.is_empty() { ":".to_owned() } else { format!("declare -p {} >> {MEMORY}", names.join(" ")) };
        let code = self.with_ports(code);
        let script = format!("set -euo pipefail; touch {MEMORY}; . ./{MEMORY}\n{code}\n{remember}");
        let mut command = self.bash(&script);
        let ended = timeout(LONGEST_RUN, command.kill_on_drop(true).output()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{what} does not end")).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.output = text(&ended.stdout);
        assert!(ended.status.success(), "{what} fails:\n{code}\n{}\n{}", self.output, text(&ended.stderr));
    }

    fn with_ports(&self, code: &str) -> String {
        let scheduler = self.scheduler.as_ref().map_or("http://127.0.0.1:8080", |(_, url)| url);
        let receiver = format!("http://127.0.0.1:{}", self.receiver_port);
        code.replace("http://127.0.0.1:8080", scheduler).replace("http://127.0.0.1:9000", &receiver)
    }

    fn bash(&self, script: &str) -> Command {
        let inherited = std::env::var_os("PATH").unwrap();
        let path = format!("{}:{}", self.home.path().join("bin").display(), inherited.to_string_lossy());
        let url = self.scheduler.as_ref().map(|(_, url)| url.clone()).unwrap_or_default();
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(self.home.path()).stdin(Stdio::null()).stderr(Stdio::piped());
        command.env_clear().env("PATH", path).env("HOME", self.home.path()).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
        command.env("SCHEDULER_URL", url);
        command
    }

    /// Each command is asked for its help: what is not a command of the program, or not with these flags, has none.
    async fn is_understood(&self, what: &str, block: &Block) {
        let commands = block.lines.iter().filter_map(|line| line.strip_prefix("target/release/scheduler "));
        for command in commands {
            let command = command.split('#').next().unwrap_or_default();
            let output = self.bash(&format!("scheduler {command} --help")).output().await.unwrap();
            assert!(output.status.success(), "{what}: scheduler {command}: {output:?}");
        }
    }

    async fn is_a_file_of_profiles(&self, block: &Block) {
        std::fs::write(self.home.path().join("scheduler.toml"), self.with_ports(&block.text())).unwrap();
        let script = "chmod 600 scheduler.toml; SCHEDULER_CONFIG=scheduler.toml SCHEDULER_URL= scheduler job list";
        let output = self.bash(script).output().await.unwrap();
        assert!(output.status.success(), "{}: {output:?}", block.text());
    }
}

fn is_in_the_makefile(what: &str, block: &Block) {
    let makefile = std::fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let targets: Vec<_> = block.lines.iter().filter_map(|line| line.strip_prefix("make ")).collect();
    assert!(!targets.is_empty(), "{what} has no make");
    for target in targets {
        let target = target.split([' ', '#']).next().unwrap_or_default();
        assert!(makefile.contains(&format!("\n{target}:")), "{what}: make {target} is not in the Makefile");
    }
}

//! A child process whose output is kept, waited on, and shown when the test fails.
//! It never outlives its test. Neighbours: `app` starts the program with it.

use std::fmt;
use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::secrets::Secrets;
use super::waiting::{PATIENCE, until};

pub struct Process {
    child: Child,
    printed: Arc<watch::Sender<Printed>>,
    /// Threads, so that what it has printed is known to the last byte when it is dropped.
    readers: Vec<JoinHandle<()>>,
    secrets: Secrets,
}

/// How a process ended.
#[derive(Clone, Debug)]
pub struct Exit {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Clone, Default)]
struct Printed {
    stdout: Vec<String>,
    stderr: Vec<String>,
    streams_ended: usize,
}

impl Process {
    pub fn spawn(command: Command) -> Self {
        Self::spawn_discreet(command, Secrets::default())
    }

    /// The test fails when it prints any of these, now or later.
    pub fn spawn_discreet(mut command: Command, secrets: Secrets) -> Self {
        let ((stdout, to_stdout), (stderr, to_stderr)) = (pipe().unwrap(), pipe().unwrap());
        command.stdout(to_stdout).stderr(to_stderr).kill_on_drop(true);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let printed = Arc::new(watch::Sender::new(Printed::default()));
        let readers = vec![
            keep(stdout, Arc::clone(&printed), |printed| &mut printed.stdout),
            keep(stderr, Arc::clone(&printed), |printed| &mut printed.stderr),
        ];
        Self { child, printed, readers, secrets }
    }

    /// The rest of the first line of standard output that begins so; panics when the process ends without one.
    pub async fn wait_for_announcement(&self, beginning: &str) -> String {
        let rest = |printed: &Printed| {
            printed.stdout.iter().find_map(|line| line.strip_prefix(beginning)).map(|rest| rest.trim().to_owned())
        };
        let what = format!("a line that begins with {beginning:?}");
        until(&what, &self.printed, |printed| rest(printed).is_some() || printed.has_ended()).await;
        let found = rest(&self.printed.borrow());
        found.unwrap_or_else(|| panic!("it ended without {what}; it printed {:?}", *self.printed.borrow()))
    }

    pub async fn wait_for_line(&self, text: &str) {
        let says = |lines: &[String]| lines.iter().any(|line| line.contains(text));
        let what = format!("the output {text:?}");
        until(&what, &self.printed, |printed| says(&printed.stdout) || says(&printed.stderr)).await;
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub fn output(&self) -> String {
        format!("{:?}", *self.printed.borrow())
    }

    /// The lines of its standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.printed.borrow().stdout.clone()
    }

    /// Waits, for as long as it takes, until it has closed its output, which is when it ends.
    pub async fn ended(&self) {
        let mut changes = self.printed.subscribe();
        // The sender is held here, so this cannot fail.
        drop(changes.wait_for(Printed::has_ended).await);
    }

    /// The most memory that it has ever had in use, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        let pid = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux tells about processes");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak of its memory");
        peak.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    pub async fn kill9(&mut self) {
        // It may be dead already.
        drop(self.child.start_kill());
        self.exit_status().await;
    }

    /// SIGTERM, then its exit.
    pub async fn terminate(&mut self) -> Exit {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        assert!(sent.success(), "no SIGTERM to {pid}");
        self.exit().await
    }

    /// Waits until it ends by itself.
    pub async fn exit(&mut self) -> Exit {
        let code = self.exit_status().await.code();
        until("the end of its output", &self.printed, Printed::has_ended).await;
        let printed = self.printed.borrow();
        Exit { code, stdout: printed.stdout.join("\n"), stderr: printed.stderr.join("\n") }
    }

    async fn exit_status(&mut self) -> std::process::ExitStatus {
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(_) => panic!("it still runs after {PATIENCE:?}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        drop(self.child.start_kill());
        for reader in self.readers.drain(..) {
            drop(reader.join());
        }
        if std::thread::panicking() {
            eprintln!("--- what the program printed ---\n{:?}\n---", *self.printed.borrow());
            return;
        }
        let leaked = self.secrets.found_in(&self.output());
        assert!(leaked.is_empty(), "it printed {leaked:?}, which it was told in confidence:\n{}", self.output());
    }
}

fn keep(
    stream: PipeReader,
    printed: Arc<watch::Sender<Printed>>,
    side: impl Fn(&mut Printed) -> &mut Vec<String> + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            printed.send_modify(|printed| side(printed).push(line));
        }
        printed.send_modify(|printed| printed.streams_ended += 1);
    })
}

impl Printed {
    fn has_ended(&self) -> bool {
        self.streams_ended == 2
    }
}

/// As it would look on a screen, standard output first.
impl fmt::Debug for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stdout.iter().chain(&self.stderr).try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The `scheduler` beside this test binary, or `SCHEDULER_BIN`.
pub fn built_program() -> PathBuf {
    let program = std::env::var_os("SCHEDULER_BIN").map_or_else(
        || {
            let tests = std::env::current_exe().expect("the path of the test binary");
            tests.parent().and_then(Path::parent).expect("it lies in target/debug/deps").join("scheduler")
        },
        PathBuf::from,
    );
    assert!(program.is_file(), "{} is not built: `cargo build -p scheduler`, or use `make test`", program.display());
    program
}

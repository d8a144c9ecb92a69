//! The real `scheduler dev`, as a process: started, spoken to, killed and started again.
//! It never looks inside: what a test learns comes over HTTP, from the receiver or out of the store.
//! Neighbours: `conversation` speaks to it, `invariants` checks what it left behind.

use std::ffi::OsString;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use serde_json::{Value, json};
use shared::clock::parse_instant;
use tempfile::TempDir;

use super::conversation::Conversation;
pub use super::process::built_program;
use super::process::{Exit, Process};
use super::receiver::{Receiver, TellTime};
use super::secrets::Secrets;
use super::stores::{self, Store};
use super::waiting::until_some;

/// Its first twelve characters are public.
const TOKEN: &str = "sch_testing_the-token-of-the-tenant-dev";
/// All that this project has to say, and what others find worth a warning.
const LOG_LEVEL: &str = "warn,api=trace,poller=trace,scheduler=trace,shared=trace,dynoxide=error";

/// A running program with somebody for it to call. Dereferences to the conversation with it.
pub struct App {
    pub receiver: Receiver,
    options: Options,
    conversation: Conversation,
    process: Process,
    dynamodb_url: String,
    /// Where it runs and keeps its data.
    directory: Arc<TempDir>,
}

/// How to start it; every flag of `scheduler dev` has its method.
pub struct AppBuilder {
    options: Options,
    receiver: Option<Receiver>,
}

#[derive(Clone)]
struct Options {
    /// The one that was built, unless the test names another.
    program: Option<PathBuf>,
    port: u16,
    place: Place,
    dynamodb_port: u16,
    now: Option<String>,
    poll_interval: Option<Duration>,
    clock_ahead: i32,
    token: String,
    signing_secret: Option<String>,
    jobs_table: String,
    environment: Vec<(String, OsString)>,
}

#[derive(Clone)]
enum Place {
    InMemory,
    /// Relative to a directory of the test's own, which outlives a restart.
    File(PathBuf),
    Endpoint(String),
}

impl App {
    /// `scheduler dev` on free ports, in memory, on the system's clock.
    pub fn dev() -> AppBuilder {
        let options = Options {
            program: None,
            port: 0,
            place: Place::InMemory,
            dynamodb_port: 0,
            now: None,
            poll_interval: None,
            clock_ahead: 0,
            token: TOKEN.to_owned(),
            signing_secret: None,
            jobs_table: "scheduler-jobs".to_owned(),
            environment: Vec::new(),
        };
        AppBuilder { options, receiver: None }
    }

    /// On a virtual clock that stands at this instant.
    pub async fn at(now: &str) -> Self {
        Self::dev().now(now).start().await
    }

    /// Walks the virtual clock to this instant; answers what happened on the way.
    pub async fn advance_to(&self, instant: &str) -> Value {
        self.put("/dev/clock", &json!({ "nowUtc": instant })).await.ok()
    }

    pub async fn now(&self) -> DateTime<Utc> {
        read_clock(&self.get("/dev/clock").await.ok()).expect("/dev/clock tells the time")
    }

    /// Waits until no job is being fired: a call that was answered is not yet recorded.
    pub async fn wait_until_idle(&self) {
        until_some("no job to be Firing", async || {
            self.all_pages("status=Firing&limit=200").await.is_empty().then_some(())
        })
        .await;
    }

    /// The program's clock for others, such as a receiver; it answers nothing while the program is dead.
    pub fn clock(&self) -> TellTime {
        let conversation = self.conversation.clone();
        Arc::new(move || {
            let conversation = conversation.clone();
            async move {
                let asked = conversation.request(http::Method::GET, "/dev/clock").timeout(Duration::from_secs(10));
                read_clock(&conversation.try_send(asked).await.ok()?.body)
            }
            .boxed()
        })
    }

    /// The Rust client of its API, with the token of the tenant `dev`.
    pub fn client(&self) -> scheduler_client::Client {
        scheduler_client::Client::new(&self.url(""), &self.options.token).unwrap()
    }

    /// The token of the tenant `dev`.
    pub fn token_of_dev(&self) -> &str {
        &self.options.token
    }

    /// Past the program, into its tables.
    pub fn dynamodb(&self) -> Client {
        stores::client(&self.dynamodb_url)
    }

    pub fn jobs_table(&self) -> &str {
        &self.options.jobs_table
    }

    /// What the names of its callback headers begin with.
    pub fn header_prefix(&self) -> String {
        let set = self.options.environment.iter().rfind(|(name, _)| name == "HEADER_PREFIX");
        set.map_or_else(|| "Contit-".to_owned(), |(_, prefix)| prefix.to_string_lossy().into_owned())
    }

    pub fn poll_interval(&self) -> Duration {
        self.options.poll_interval.unwrap_or(Duration::from_secs(60))
    }

    /// Runs another command of the program, such as `["token", "list"]`, on its store, and returns how it ended.
    pub async fn command(&self, arguments: &[&str]) -> Exit {
        let mut command = self.options.command(self.directory.path());
        command.args(arguments).env("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb_url);
        Process::spawn(command).exit().await
    }

    /// Everything that it has printed, to standard output and to standard error, since it was last started.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Waits until a line with this text was printed.
    pub async fn wait_for_output(&self, text: &str) {
        self.process.wait_for_line(text).await;
    }

    /// The most memory that it has ever had in use, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        self.process.peak_memory_kib()
    }

    /// Where its DynamoDB listens, for other programs.
    pub fn dynamodb_url(&self) -> &str {
        &self.dynamodb_url
    }

    /// Ends it as a power cut would.
    pub async fn kill9(&mut self) {
        self.process.kill9().await;
    }

    /// Waits, for as long as it takes, until it has ended by itself.
    pub async fn ended(&self) {
        self.process.ended().await;
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    pub async fn terminate(&mut self) -> Exit {
        self.process.terminate().await
    }

    /// Starts it again on the same data with the same options; on a free port again, where this conversation follows.
    /// A virtual clock starts where it was told to the first time; see [`Self::restart_at`].
    pub async fn restart(&mut self) {
        self.process.kill9().await;
        (self.process, self.dynamodb_url) = self.options.start(self.directory.path(), &self.conversation).await;
    }

    /// The same with the virtual clock at another instant.
    pub async fn restart_at(&mut self, now: &str) {
        self.options.now = Some(now.to_owned());
        self.restart().await;
    }
}

impl Deref for App {
    type Target = Conversation;

    fn deref(&self) -> &Conversation {
        &self.conversation
    }
}

impl AppBuilder {
    /// `--now`: on a virtual clock.
    #[must_use]
    pub fn now(mut self, instant: &str) -> Self {
        self.options.now = Some(instant.to_owned());
        self
    }

    /// `--port`; a free one by default.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.options.port = port;
        self
    }

    /// `--dynamodb-port`; a free one by default.
    #[must_use]
    pub fn dynamodb_port(mut self, port: u16) -> Self {
        self.options.dynamodb_port = port;
        self
    }

    /// `--data`: in a file, so that it can be killed and started again.
    #[must_use]
    pub fn on_disk(self) -> Self {
        self.data(Path::new("dev.sqlite"))
    }

    /// `--data` with a file of the test's choice.
    #[must_use]
    pub fn data(mut self, file: &Path) -> Self {
        self.options.place = Place::File(file.to_owned());
        self
    }

    /// `--dynamodb-endpoint`: on this store, in tables of its own.
    #[must_use]
    pub fn on(self, store: &Store) -> Self {
        self.on_through(store, store.endpoint())
    }

    /// On this store, which it reaches by another URL, such as a proxy's.
    #[must_use]
    pub fn on_through(mut self, store: &Store, url: &str) -> Self {
        let table = |name| format!("{}{name}", store.table_prefix());
        self.options.jobs_table = table("jobs");
        self.options.place = Place::Endpoint(url.to_owned());
        self.env("JOBS_TABLE", table("jobs")).env("TENANTS_TABLE", table("tenants")).env("USAGE_TABLE", table("usage"))
    }

    /// `--dynamodb-endpoint` with any URL, in the tables of the usual names.
    #[must_use]
    pub fn dynamodb_endpoint(mut self, url: &str) -> Self {
        self.options.place = Place::Endpoint(url.to_owned());
        self
    }

    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.options.poll_interval = Some(interval);
        self
    }

    /// `--clock-ahead`, in seconds: the clock of its machine is wrong.
    #[must_use]
    pub fn clock_ahead(mut self, seconds: i32) -> Self {
        self.options.clock_ahead = seconds;
        self
    }

    /// `--token`; the conversation uses it.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.options.token);
        self
    }

    #[must_use]
    pub fn signing_secret(mut self, secret: &str) -> Self {
        self.options.signing_secret = Some(secret.to_owned());
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.options.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Has it call this receiver instead of one of its own: for two programs on one store.
    #[must_use]
    pub fn calling(mut self, receiver: &Receiver) -> Self {
        self.receiver = Some(receiver.clone());
        self
    }

    /// Another program than the one that was built.
    #[must_use]
    pub fn program(mut self, path: &Path) -> Self {
        self.options.program = Some(path.to_owned());
        self
    }

    /// Starts it and waits until it serves.
    pub async fn start(self) -> App {
        let receiver = match self.receiver {
            Some(receiver) => receiver,
            None => Receiver::start().await,
        };
        let options = self.options;
        let directory = Arc::new(TempDir::new().unwrap());
        let conversation = Conversation::new(&options.token);
        let (process, dynamodb_url) = options.start(directory.path(), &conversation).await;
        let app = App { receiver, options, conversation, process, dynamodb_url, directory };
        if app.options.now.is_some() {
            app.receiver.follow(app.clock());
        }
        app
    }

    /// Starts it in the hope that it refuses to, and returns how it ended.
    pub async fn start_failing(self) -> Exit {
        let directory = TempDir::new().unwrap();
        self.options.spawn(directory.path(), Secrets::default()).exit().await
    }
}

impl Options {
    /// Its process and where its DynamoDB listens.
    async fn start(&self, directory: &Path, conversation: &Conversation) -> (Process, String) {
        let process = self.spawn(directory, conversation.secrets().clone());
        conversation.move_to(&process.wait_for_announcement("ready ").await);
        let dynamodb_url = match &self.place {
            Place::Endpoint(url) => url.clone(),
            Place::InMemory | Place::File(_) => process.wait_for_announcement("dynamodb ").await,
        };
        (process, dynamodb_url)
    }

    fn spawn(&self, directory: &Path, secrets: Secrets) -> Process {
        secrets.keep(&self.token);
        self.signing_secret.iter().for_each(|secret| secrets.keep(secret));
        let mut command = self.command(directory);
        command.arg("dev").args(["--port", &self.port.to_string()]).args(["--token", &self.token]);
        match &self.place {
            Place::InMemory => command.arg("--in-memory"),
            Place::File(path) => command.arg("--data").arg(directory.join(path)),
            Place::Endpoint(url) => command.args(["--dynamodb-endpoint", url]),
        };
        if !matches!(self.place, Place::Endpoint(_)) {
            command.args(["--dynamodb-port", &self.dynamodb_port.to_string()]);
        }
        let set = [
            ("--now", self.now.clone()),
            ("--poll-interval", self.poll_interval.map(|interval| format!("{}ms", interval.as_millis()))),
            ("--clock-ahead", (self.clock_ahead != 0).then(|| self.clock_ahead.to_string())),
            ("--signing-secret", self.signing_secret.clone()),
        ];
        for (flag, value) in set {
            command.args(value.iter().flat_map(|value| [flag, value]));
        }
        Process::spawn_discreet(command, secrets)
    }

    /// The program without arguments, in its environment: nothing of the caller's may decide a test.
    fn command(&self, directory: &Path) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(self.program.clone().unwrap_or_else(built_program));
        let inherited = ["PATH", "HOME", "TMPDIR", "RUST_LOG", "RUST_BACKTRACE"];
        let inherited = inherited.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.env_clear().envs(inherited).env("LOG_LEVEL", LOG_LEVEL).env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(self.environment.clone());
        command.current_dir(directory).stdin(Stdio::null());
        command
    }
}

fn read_clock(answer: &Value) -> Option<DateTime<Utc>> {
    parse_instant(answer["nowUtc"].as_str()?)
}

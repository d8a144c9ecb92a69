//! The two functions as AWS runs them: the packaged `bootstrap` files under AWS's own runtime interface emulator.
//! It never invokes one function twice at a time: neither does Lambda within one instance, and the emulator breaks.
//! Neighbours: `api_gateway` makes the API's events; `lambda` stands in for Lambda where invocations run side by side.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use shared::clock::Clock;
use tokio::process::Command;
use tokio::sync::Mutex;

use super::administration::scheduler;
use super::conversation::Created;
use super::invariants::Evidence;
use super::process::Process;
use super::receiver::Receiver;
use super::rows::{Row, read_table};
use super::secrets::Secrets;
use super::stores::{Store, StoreKind, free_port};
use super::waiting::until_some;

/// Tables on DynamoDB Local with one token, as a stack has them after its first steps.
pub struct Deployment {
    /// Of the tenant `dev`, with both scopes.
    pub token: String,
    store: Store,
    environment: Vec<(String, OsString)>,
    /// What no function may print.
    secrets: Secrets,
}

/// One instance of a function. The first invocation finds it cold.
pub struct Function {
    emulator: Process,
    url: String,
    client: reqwest::Client,
    one_at_a_time: Mutex<()>,
    secrets: Secrets,
}

/// How to start one.
#[derive(Clone, Debug)]
pub struct FunctionBuilder {
    /// Its logical id in the template, which is what its folder is called.
    id: &'static str,
    environment: Vec<(String, OsString)>,
    secrets: Secrets,
}

/// What an invocation came to.
#[derive(Clone, Debug)]
pub struct Invoked {
    pub status: u16,
    /// `Null` when the function ended instead of answering.
    pub body: Value,
}

impl Deployment {
    pub async fn start() -> Self {
        let store = Store::start(StoreKind::DynamoDbLocal).await;
        let table = |name| OsString::from(format!("{}{name}", store.table_prefix()));
        let environment = [
            ("AWS_ACCESS_KEY_ID", "local".into()),
            ("AWS_SECRET_ACCESS_KEY", "local".into()),
            ("AWS_REGION", "eu-south-1".into()),
            ("AWS_ENDPOINT_URL_DYNAMODB", store.endpoint().into()),
            ("JOBS_TABLE", table("jobs")),
            ("TENANTS_TABLE", table("tenants")),
            ("USAGE_TABLE", table("usage")),
        ];
        let environment: Vec<_> = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        scheduler(&["tables", "create"], &environment).await.succeeded();
        let arguments = ["token", "create", "--tenant", "dev", "--scope", "read", "--scope", "write"];
        let token = scheduler(&arguments, &environment).await.succeeded().stdout.clone();
        let secrets = Secrets::default();
        secrets.keep(&token);
        Self { token, store, environment, secrets }
    }

    pub fn api(&self) -> FunctionBuilder {
        self.function("ApiFunction")
    }

    pub fn poller(&self) -> FunctionBuilder {
        self.function("PollerFunction")
    }

    fn function(&self, id: &'static str) -> FunctionBuilder {
        FunctionBuilder { id, environment: self.environment.clone(), secrets: self.secrets.clone() }
            .env("ALLOWED_CALLBACK_NETWORKS", "127.0.0.0/8")
            .env("AWS_LAMBDA_FUNCTION_NAME", id)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", "130")
    }

    /// The jobs table, whole.
    pub async fn jobs(&self) -> Vec<Row> {
        read_table(&self.store.client(), &format!("{}jobs", self.store.table_prefix())).await
    }

    /// Fails with every rule that does not hold of the table and the receiver's log.
    pub async fn check(&self, created: &[Value], receiver: &Receiver) {
        let promise = |job: &Value| Created { token: Some(self.token.clone()), job: job.clone() };
        let evidence = Evidence {
            created: created.iter().map(promise).collect(),
            rows: self.jobs().await,
            calls: receiver.all_calls(),
            header_prefix: "Contit-".to_owned(),
            sightings: Vec::new(),
            now: Clock::System.now(),
            poll_interval: TimeDelta::minutes(1),
            clocks_apart: TimeDelta::zero(),
        };
        let violations = evidence.violations();
        assert!(violations.is_empty(), "what must always hold does not:\n  {}", violations.join("\n  "));
    }
}

impl FunctionBuilder {
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// Starts the emulator, which starts the function when it is first invoked.
    pub async fn start(self) -> Function {
        // Another program may take a free port before the emulator does: then it ends at once, and it is tried again.
        for _ in 0..3 {
            let (port, runtime_api_port) = (free_port(), free_port());
            let mut command = self.command(&emulator());
            command.args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")]);
            command.args(["--runtime-api-address", &format!("127.0.0.1:{runtime_api_port}")]);
            command.arg(self.bootstrap());
            let mut emulator = Process::spawn_discreet(command, self.secrets.clone());
            let listens = until_some("the emulator to listen", async || {
                let listens = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok();
                (listens || !emulator.is_running()).then_some(listens)
            });
            if listens.await {
                let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(120)).build().unwrap();
                let url = format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations");
                let (one_at_a_time, secrets) = (Mutex::default(), self.secrets);
                return Function { emulator, url, client, one_at_a_time, secrets };
            }
        }
        panic!("the emulator did not find a free port three times over")
    }

    /// The file that `sam deploy` uploads.
    pub fn bootstrap(&self) -> PathBuf {
        let folder = std::env::var_os("LAMBDA_BUILD_DIR").map_or_else(|| root().join(".aws-sam/build"), PathBuf::from);
        let bootstrap = folder.join(self.id).join("bootstrap");
        assert!(bootstrap.is_file(), "{} is not built: use `make package`", bootstrap.display());
        bootstrap
    }

    /// Nothing of the caller's environment may decide a test.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().cloned()).stdin(Stdio::null());
        command
    }
}

impl Function {
    /// Invokes it and waits for its answer.
    pub async fn invoke(&self, event: &Value) -> Invoked {
        self.invoke_raw(event.to_string()).await
    }

    /// The same with an event that need not be JSON.
    pub async fn invoke_raw(&self, event: impl Into<String>) -> Invoked {
        let _turn = self.one_at_a_time.lock().await;
        let answer = self.client.post(&self.url).body(event.into()).send().await.expect("the emulator answers");
        let status = answer.status().as_u16();
        let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
        Invoked { status, body }
    }

    /// What neither this function nor any other of the deployment may print.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// What the function and the emulator have printed.
    pub fn output(&self) -> String {
        self.emulator.output()
    }

    /// How many times the function was started so far.
    pub fn starts(&self) -> usize {
        self.output().matches("(rapid) Starting runtime").count()
    }
}

/// The emulator that aws-sam-cli brings along, or `LAMBDA_EMULATOR`.
fn emulator() -> PathBuf {
    if let Some(path) = std::env::var_os("LAMBDA_EMULATOR") {
        return path.into();
    }
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let inside = format!("site-packages/samcli/local/rapid/aws-lambda-rie-{arch}");
    let pythons = root().join(".tools/aws-venv/lib");
    let pythons = std::fs::read_dir(&pythons).into_iter().flatten().flatten();
    let found = pythons.map(|python| python.path().join(&inside)).find(|path| path.is_file());
    found.expect("the emulator comes with aws-sam-cli: `make package` installs it")
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

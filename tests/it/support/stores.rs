//! The two real DynamoDBs that tests run on: the embedded one and Amazon's DynamoDB Local.
//! It never makes tables and never skips: a store that cannot start fails the test.
//! Neighbours: `chaos_proxy` stands in front of one, `app` starts the program on one.

use std::fs::File;
use std::io::{Read, Seek};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use dynoxide::Database;
use tokio::sync::{OnceCell, oneshot};

use super::waiting::until_some;

/// What the program itself uses on a store of this machine: DynamoDB Local keeps a database for each pair of them.
const ACCESS_KEY_ID: &str = "local";
const REGION: &str = "eu-south-1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    Embedded,
    DynamoDbLocal,
}

/// A store with table names of a test's own, since all tests share one DynamoDB Local.
#[derive(Debug)]
pub struct Store {
    pub kind: StoreKind,
    endpoint: String,
    table_prefix: String,
    /// Stops the embedded server when the store is dropped.
    _running: Option<oneshot::Sender<()>>,
}

/// Makes of `async fn name(store: Store)` the two tests `name::on_embedded` and `name::on_dynamodb_local`.
#[macro_export]
macro_rules! on_both_stores {
    ($($(#[$attribute:meta])* async fn $name:ident($store:ident: Store) $body:block)+) => {
        $(mod $name {
            #[allow(unused_imports, reason = "a test need not use what its file imports")]
            use super::*;

            $(#[$attribute])*
            async fn on($store: $crate::support::stores::Store) $body

            #[tokio::test]
            async fn on_embedded() {
                on($crate::support::stores::Store::start($crate::support::stores::StoreKind::Embedded).await).await;
            }

            #[tokio::test]
            async fn on_dynamodb_local() {
                on($crate::support::stores::Store::start($crate::support::stores::StoreKind::DynamoDbLocal).await).await;
            }
        })+
    };
}

impl Store {
    pub async fn start(kind: StoreKind) -> Self {
        static STORES: AtomicU32 = AtomicU32::new(1);
        let table_prefix = format!("test{}-", STORES.fetch_add(1, Ordering::Relaxed));
        let (endpoint, running) = match kind {
            StoreKind::Embedded => {
                let (endpoint, running) = serve_embedded().await;
                (endpoint, Some(running))
            }
            StoreKind::DynamoDbLocal => (dynamodb_local().await, None),
        };
        Self { kind, endpoint, table_prefix, _running: running }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What the names of this test's tables begin with.
    pub fn table_prefix(&self) -> &str {
        &self.table_prefix
    }

    pub fn client(&self) -> Client {
        client(&self.endpoint)
    }
}

/// A client of the store at this URL, or of what stands in front of it.
pub fn client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_ID, None, None, "tests"))
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

async fn serve_embedded() -> (String, oneshot::Sender<()>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (running, stopped) = oneshot::channel::<()>();
    let database = Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, async move {
        drop(stopped.await);
    }));
    (endpoint, running)
}

/// One process for the whole test binary, started by the first test that needs it.
async fn dynamodb_local() -> String {
    static STARTED: OnceCell<Result<DynamoDbLocal, String>> = OnceCell::const_new();
    match STARTED.get_or_init(DynamoDbLocal::start).await {
        Ok(running) => running.endpoint.clone(),
        Err(problem) => panic!("DynamoDB Local did not start: {problem}"),
    }
}

struct DynamoDbLocal {
    endpoint: String,
    /// Holds the pipe whose end is the end of Java.
    _watchdog: Child,
}

impl DynamoDbLocal {
    async fn start() -> Result<Self, String> {
        let jars = directory_of_jars();
        if !holds_dynamodb_local(&jars) {
            return Err(format!(
                "no DynamoDBLocal-*.jar in {}; `make test` fetches it, or name its directory in DYNAMODB_LOCAL_DIR",
                jars.display()
            ));
        }
        // Another program may take the free port before Java does: then Java ends at once, and it is tried again.
        let mut last_words = String::new();
        for _ in 0..3 {
            let port = free_port();
            let mut output = tempfile::tempfile().map_err(|error| error.to_string())?;
            let mut watchdog = spawn_java(&jars, port, &output).map_err(|error| format!("sh: {error}"))?;
            let endpoint = format!("http://127.0.0.1:{port}");
            if answers(&mut watchdog, port, &endpoint).await {
                return Ok(Self { endpoint, _watchdog: watchdog });
            }
            last_words.clear();
            output.rewind().and_then(|()| output.read_to_string(&mut last_words)).map_err(|error| error.to_string())?;
        }
        Err(last_words)
    }
}

/// `false` when the process has ended instead.
async fn answers(watchdog: &mut Child, port: u16, endpoint: &str) -> bool {
    let client = client(endpoint);
    let what = "DynamoDB Local to answer";
    until_some(what, async || match watchdog.try_wait() {
        Ok(None) if std::net::TcpStream::connect(("127.0.0.1", port)).is_err() => None,
        Ok(None) => client.list_tables().send().await.is_ok().then_some(true),
        Ok(Some(_)) | Err(_) => Some(false),
    })
    .await
}

/// Java ends when the shell's standard input does, and that is when this process ends, whatever ends it.
fn spawn_java(jars: &Path, port: u16, output: &File) -> std::io::Result<Child> {
    let watchdog = r#"
        exec 3<&0
        java -Xmx512m -cp "$1/*" -Djava.library.path="$1" \
            software.amazon.dynamodb.services.local.main.ServerRunner -port "$2" -inMemory -disableTelemetry 3<&- &
        java=$!
        { read -r _ <&3; kill "$java"; } &
        reader=$!
        wait "$java"
        kill "$reader"
    "#;
    Command::new("sh")
        .args(["-c", watchdog, "dynamodb-local"])
        .arg(jars)
        .arg(port.to_string())
        .env("DDB_LOCAL_TELEMETRY", "0")
        .stdin(Stdio::piped())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?)
        .spawn()
}

/// One that nobody uses now; whoever takes it must be ready to find it taken.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn directory_of_jars() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("DYNAMODB_LOCAL_DIR").map_or_else(|| workspace.join(".tools/dynamodb-local"), PathBuf::from)
}

fn holds_dynamodb_local(directory: &Path) -> bool {
    let is_the_jar = |name: &str| name.starts_with("DynamoDBLocal-") && name.ends_with(".jar");
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_str().is_some_and(is_the_jar))
}

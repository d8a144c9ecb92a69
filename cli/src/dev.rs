//! `scheduler dev`: the API, the poller on a timer and a store, in one process on loopback.
//! It decides nothing about jobs. Neighbours: `embedded_dynamodb` is the store, `time_travel` the virtual clock.

use std::future::IntoFuture as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use clap::Args;
use poller::{Poller, Window};
use shared::clock::{Clock, Timestamp};
use shared::config::Settings;
use shared::egress::Guard;
use shared::ids::TenantId;
use shared::store::tenants::Tenants;
use shared::store::{Store, local_client, table};
use shared::token::{Scope, TokenRecord};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::embedded_dynamodb::{Data, EmbeddedDynamoDb};
use crate::time_travel::{self, TimeTravel};
use crate::{read_instant, read_interval, read_nonempty, say};

const TENANT: &str = "dev";
const DEFAULT_TOKEN: &str = "dev";
/// Ticks that may overlap, as invocations do on AWS.
const TICKS_AT_ONCE: usize = 4;
/// How long what is in flight may take to finish when the program is told to stop.
const FAREWELL: Duration = Duration::from_secs(10);
const STORE_PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the API listens, on loopback; 0 is any free port.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The file of the embedded store.
    #[arg(long, value_name = "FILE", default_value = ".scheduler/dev.sqlite")]
    data: PathBuf,
    /// Keep nothing: the embedded store in memory.
    #[arg(long, conflicts_with_all = ["data", "dynamodb_endpoint"])]
    in_memory: bool,
    /// Use this store instead of the embedded one.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "dynamodb_port"])]
    dynamodb_endpoint: Option<String>,
    /// Where the embedded store listens, on loopback; 0 is any free port [default: 8000, or any free one]
    #[arg(long, value_name = "PORT")]
    dynamodb_port: Option<u16>,
    /// How often the poller looks for what is due.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = read_interval)]
    poll_interval: Duration,
    /// Start on a virtual clock that stands at this instant until PUT /dev/clock moves it.
    #[arg(long, value_name = "INSTANT", value_parser = read_instant)]
    now: Option<Timestamp>,
    /// Have a clock that is so many seconds ahead of the system's, or behind it when negative.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        allow_negative_numbers = true,
        conflicts_with = "now",
        hide = true
    )]
    clock_ahead: i32,
    /// The API token of the tenant `dev`.
    #[arg(long, default_value = DEFAULT_TOKEN, value_parser = read_nonempty)]
    token: String,
    /// Sign the callbacks of the tenant `dev` with this.
    #[arg(long, value_name = "TEXT", value_parser = read_nonempty)]
    signing_secret: Option<String>,
}

/// Everything that runs, ready to be served.
struct Prepared {
    listener: TcpListener,
    router: Router,
    travel: Arc<TimeTravel>,
    embedded: Option<EmbeddedDynamoDb>,
}

pub(crate) async fn run(options: Options, settings: Settings) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let prepared = tokio::select! {
        prepared = prepare(&options, settings) => prepared?,
        () = stop.cancelled() => return Ok(()),
    };
    serve(&options, prepared, stop).await
}

async fn prepare(options: &Options, mut settings: Settings) -> anyhow::Result<Prepared> {
    if settings.allowed_networks.is_none() {
        let loopback = Guard::parse_networks("127.0.0.0/8,::1/128").map_err(anyhow::Error::msg)?;
        settings.allowed_networks = Some(loopback);
    }
    // One tenant on one machine: nobody to protect from it.
    settings.creations_per_minute = settings.creations_per_minute.or(Some(0));
    let listener = listen(options.port).await?;
    let clock = match (options.now, options.clock_ahead) {
        (Some(now), _) => Clock::virtual_at(now),
        (None, 0) => Clock::System,
        (None, seconds) => Clock::Wrong(chrono::TimeDelta::seconds(seconds.into())),
    };
    let (endpoint, embedded) = match &options.dynamodb_endpoint {
        Some(endpoint) => (endpoint.clone(), None),
        None => {
            let data = if options.in_memory { Data::Memory } else { Data::File(options.data.clone()) };
            let embedded = EmbeddedDynamoDb::start(&data, options.dynamodb_port).await?;
            (embedded.endpoint.clone(), Some(embedded))
        }
    };
    let client = local_client(&endpoint);
    let tenants = Tenants::new(client.clone(), &settings.tables);
    let tables = async {
        table::create_missing(&client, &settings.tables).await?;
        furnish(options, &tenants, &clock).await
    };
    match tokio::time::timeout(STORE_PATIENCE, tables).await {
        Ok(result) => result.with_context(|| place(options, &endpoint))?,
        Err(_) => anyhow::bail!("{}: it does not answer", place(options, &endpoint)),
    }
    let store = Store::new(client, settings.tables.clone(), settings.shards);
    let poller = Poller::new(&settings, store.clone(), tenants.clone(), clock.clone())?;
    let travel = Arc::new(TimeTravel {
        clock: clock.clone(),
        store: store.clone(),
        poller,
        interval_millis: i64::try_from(options.poll_interval.as_millis())?,
        window: Window::open(),
        tasks: TaskTracker::new(),
        walking: Mutex::new(()),
    });
    let router = api::router(&settings, store, tenants, clock).merge(time_travel::router(travel.clone()));
    Ok(Prepared { listener, router, travel, embedded })
}

/// The store in words that the user knows it by.
fn place(options: &Options, endpoint: &str) -> String {
    match (&options.dynamodb_endpoint, options.in_memory) {
        (Some(_), _) => format!("the store at {endpoint} cannot be used"),
        (None, true) => "the store in memory cannot be used".to_owned(),
        (None, false) => format!("the data file {} cannot be used", options.data.display()),
    }
}

/// The tenant `dev`, its token and its secret.
async fn furnish(options: &Options, tenants: &Tenants, clock: &Clock) -> anyhow::Result<()> {
    let tenant = TenantId::parse(TENANT).map_err(anyhow::Error::msg)?;
    if let Some(secret) = &options.signing_secret {
        tenants.set_secret(&tenant, secret.clone()).await?;
    }
    let scopes = vec![Scope::Read, Scope::Write];
    tenants.put_token(TokenRecord::new(&options.token, tenant, scopes, None, clock.now())).await?;
    Ok(())
}

async fn serve(options: &Options, prepared: Prepared, stop: CancellationToken) -> anyhow::Result<()> {
    let Prepared { listener, router, travel, embedded } = prepared;
    let url = format!("http://{}", listener.local_addr()?);
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let server = tokio::spawn(server.into_future());
    if let Some(embedded) = &embedded {
        announce(&format!("dynamodb {}", embedded.endpoint));
    }
    announce(&format!("ready {url}"));
    announce(&welcome(&url, options));
    match travel.clock {
        Clock::System | Clock::Wrong(_) => {
            tokio::spawn(poll_on_a_timer(travel.clone(), options.poll_interval, stop.clone()));
            if let Some(embedded) = embedded {
                tokio::spawn(embedded.keep_sweeping());
            }
        }
        // No timer, and no sweep: what is stored is in the virtual clock's time.
        Clock::Virtual(_) => {}
    }

    stop.cancelled().await;
    travel.window.close();
    travel.tasks.close();
    let finish = async {
        travel.tasks.wait().await;
        server.await
    };
    match tokio::time::timeout(FAREWELL, finish).await {
        Ok(served) => served?.context("the API broke off"),
        Err(_) => {
            tracing::warn!("not everything in flight has finished: it is left to its lease");
            Ok(())
        }
    }
}

/// A tick at once and then one each interval, as tasks of their own so that they may overlap.
async fn poll_on_a_timer(travel: Arc<TimeTravel>, interval: Duration, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(TICKS_AT_ONCE));
    let mut timer = tokio::time::interval(interval);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = timer.tick() => {}
        }
        let Ok(permit) = room.clone().try_acquire_owned() else {
            tracing::debug!("{TICKS_AT_ONCE} ticks are still running: this one is skipped");
            continue;
        };
        let travel = travel.clone();
        travel.tasks.clone().spawn(async move {
            travel.poller.tick(&travel.window).await;
            drop(permit);
        });
    }
}

/// A listener on loopback; 0 is any free port.
pub(crate) async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("port {port} on 127.0.0.1 cannot be used"))
}

/// Cancelled by SIGTERM and Ctrl-C.
fn stop_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    Ok(stop)
}

/// Whoever started the program may have stopped reading: that is no reason to stop serving.
fn announce(text: &str) {
    if let Err(error) = say(text) {
        tracing::debug!("nobody reads standard output: {error}");
    }
}

fn welcome(url: &str, options: &Options) -> String {
    // One that was given is its user's secret, and standard output may be kept.
    let (is, token) = match options.token.as_str() {
        DEFAULT_TOKEN => (DEFAULT_TOKEN, DEFAULT_TOKEN),
        _ => ("the one you gave", "$TOKEN"),
    };
    let clock = match options.now {
        Some(_) => {
            format!("\nThe clock stands still; move it with\n  curl -X PUT {url}/dev/clock -d '{{\"nowUtc\": \"…\"}}'")
        }
        None => String::new(),
    };
    format!(
        "\nThe token is {is}. To have http://127.0.0.1:9000/hook called in five seconds, at the next poll after that:\n  \
         curl {url}/scheduled-jobs -H \"Authorization: Bearer {token}\" -H 'Content-Type: application/json' \\\n    \
         -d '{{\"callbackUrl\": \"http://127.0.0.1:9000/hook\", \"delaySeconds\": 5}}'{clock}"
    )
}

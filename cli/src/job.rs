//! `scheduler job`: jobs from the command line, through the API like any other client. It never touches the tables.
//! Neighbours: `flags` describes a job, `show` prints one, `tail` follows deliveries, `connection` says where.

pub(crate) mod flags;
mod show;
mod tail;
pub(crate) mod times;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use futures_util::TryStreamExt as _;
use scheduler_client::{Client, DeadLetterFilter, Job, JobFilter, JobStatus, Order};
use serde::Serialize;
use shared::clock::Clock;

use crate::connection::Connection;
use crate::exit::{Told, Usage, code_of, doubt, printable, words_of};
use crate::say;
use flags::JobFlags;
use times::{When, read_when};

/// The largest page that the API answers.
const PAGE: u32 = 200;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// JSON for programs, one document a line.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Have a URL called: in a while, at a time, or again and again.
    Create {
        #[command(flatten)]
        job: Box<JobFlags>,
        /// The same key with the same flags makes one job, however often it is run.
        #[arg(long, value_name = "KEY")]
        request_key: Option<String>,
        /// Print the id alone.
        #[arg(long, short, conflicts_with = "json")]
        quiet: bool,
    },
    /// When a job would fire, without creating it; takes the flags of `create`.
    Preview {
        #[command(flatten)]
        job: Box<JobFlags>,
        /// How many occurrences, 1 to 100.
        #[arg(long, default_value_t = 10)]
        count: u32,
    },
    /// List jobs, newest planned time first.
    List(ListFlags),
    /// Show a job with its last attempts.
    Get { id: String },
    /// Cancel jobs that wait, and the series that they belong to.
    Cancel {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Give dead letters all their attempts again, the first at once.
    Retry(RetryFlags),
    /// Make jobs that wait due at once; a series keeps its plan.
    RunNow {
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Follow deliveries as they happen.
    Tail(tail::Options),
}

#[derive(Debug, Args)]
struct ListFlags {
    #[arg(long, ignore_case = true)]
    status: Option<StatusName>,
    /// Planned at this time or later; written like --at of `create`, and -2h is two hours ago.
    #[arg(long, value_name = "TIME", value_parser = read_when, allow_hyphen_values = true)]
    from: Option<When>,
    /// Planned before this time.
    #[arg(long, value_name = "TIME", value_parser = read_when, allow_hyphen_values = true)]
    to: Option<When>,
    /// The occurrences of one series, by its id or that of one of its jobs.
    #[arg(long, value_name = "ID")]
    series: Option<String>,
    /// So many at most.
    #[arg(long, value_name = "COUNT", default_value_t = 50, conflicts_with = "all")]
    limit: usize,
    /// All of them.
    #[arg(long)]
    all: bool,
    /// Oldest planned time first.
    #[arg(long)]
    oldest_first: bool,
}

#[derive(Debug, Args)]
struct RetryFlags {
    #[arg(required_unless_present = "all", value_name = "ID")]
    ids: Vec<String>,
    /// All dead letters, or those between --from and --to.
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Planned at this time or later; written like --at of `create`, and -2h is two hours ago.
    #[arg(long, value_name = "TIME", value_parser = read_when, allow_hyphen_values = true, requires = "all")]
    from: Option<When>,
    /// Planned before this time.
    #[arg(long, value_name = "TIME", value_parser = read_when, allow_hyphen_values = true, requires = "all")]
    to: Option<When>,
    /// Only count them.
    #[arg(long, requires = "all")]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StatusName {
    Pending,
    Firing,
    Done,
    Cancelled,
    #[value(alias = "deadletter", alias = "dead")]
    DeadLetter,
}

impl From<StatusName> for JobStatus {
    fn from(name: StatusName) -> Self {
        match name {
            StatusName::Pending => Self::Pending,
            StatusName::Firing => Self::Firing,
            StatusName::Done => Self::Done,
            StatusName::Cancelled => Self::Cancelled,
            StatusName::DeadLetter => Self::DeadLetter,
        }
    }
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let client = options.connection.client()?;
    let (json, now) = (options.json, Clock::System.now());
    match options.command {
        Command::Create { job, request_key, quiet } => {
            let request = job.request(now)?;
            let job = match request_key {
                Some(key) => client.create_once(&request, &key).await,
                None => client.create(&request).await,
            };
            let job = job.map_err(doubt)?;
            if quiet { Ok(say(&job.id)?) } else { print(json, &job, |job| vec![show::sentence(job)]) }
        }
        Command::Preview { job, count } => {
            let preview = client.preview(&job.request(now)?, Some(count)).await?;
            print(json, &preview, show::preview_table)
        }
        Command::List(flags) => list(&client, &flags, json, now).await,
        Command::Get { id } => print(json, &client.get(&id).await?, show::details),
        Command::Cancel { ids } => each(&ids, json, async |id| client.cancel(id).await).await,
        Command::RunNow { ids } => each(&ids, json, async |id| client.run_now(id).await).await,
        Command::Retry(flags) if flags.all => retry_all(&client, &flags, json, now).await,
        Command::Retry(flags) => each(&flags.ids, json, async |id| client.retry(id).await).await,
        Command::Tail(options) => tail::run(&options, &client, json).await,
    }
}

fn print<T: Serialize>(json: bool, value: &T, lines: impl FnOnce(&T) -> Vec<String>) -> anyhow::Result<()> {
    let lines = if json { vec![serde_json::to_string(value)?] } else { lines(value) };
    Ok(say(&lines.join("\n"))?)
}

async fn list(client: &Client, flags: &ListFlags, json: bool, now: DateTime<Utc>) -> anyhow::Result<()> {
    let most = if flags.all { usize::MAX } else { flags.limit };
    if most == 0 {
        return Err(Usage("--limit: it must be 1 or more".to_owned()).into());
    }
    let page = u32::try_from(most).unwrap_or(PAGE).min(PAGE);
    let order = if flags.oldest_first { Order::Ascending } else { Order::Descending };
    let mut filter = JobFilter::new().limit(page).order(order);
    if let Some(status) = flags.status {
        filter = filter.status(status.into());
    }
    if let Some(from) = flags.from {
        filter = filter.from(from.resolve(now));
    }
    if let Some(to) = flags.to {
        filter = filter.to(to.resolve(now));
    }
    if let Some(series) = &flags.series {
        filter = filter.series(series_of(client, series).await?);
    }
    let (mut walk, mut jobs, mut printed) = (client.jobs(filter), Vec::new(), 0);
    while printed < most {
        let Some(job) = walk.try_next().await? else { break };
        printed += 1;
        // A program reads them as they come; a table's columns are known when all are there.
        if json {
            say(&serde_json::to_string(&job)?)?;
        } else {
            jobs.push(job);
        }
    }
    if !json {
        say(&show::jobs_table(&jobs).join("\n"))?;
    }
    if printed == most && walk.try_next().await?.is_some() {
        eprintln!("There are more: --limit or --all.");
    }
    Ok(())
}

/// The id of the series, when it is that of a job.
async fn series_of(client: &Client, id: &str) -> anyhow::Result<String> {
    match client.get(id).await {
        Ok(job) => job.series_id.ok_or_else(|| Usage(format!("--series: {} is not of a series", printable(id))).into()),
        Err(error) if error.status() == Some(404) => Ok(id.to_owned()),
        Err(error) => Err(error.into()),
    }
}

async fn retry_all(client: &Client, flags: &RetryFlags, json: bool, now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut filter = DeadLetterFilter::new();
    if let Some(from) = flags.from {
        filter = filter.from(from.resolve(now));
    }
    if let Some(to) = flags.to {
        filter = filter.to(to.resolve(now));
    }
    if flags.dry_run {
        filter = filter.dry_run();
    }
    let sums = client.retry_all_dead_letters(&filter).await.map_err(doubt)?;
    print(json, &sums, |sums| vec![format!("{} dead letters, {} retried", sums.matched, sums.retried)])
}

/// The same change of several jobs, each tried whatever became of those before; the exit code is the first failure's.
async fn each(
    ids: &[String],
    json: bool,
    change: impl AsyncFn(&str) -> scheduler_client::Result<Job>,
) -> anyhow::Result<()> {
    let mut first_failure = None;
    for id in ids {
        match change(id).await.map_err(doubt) {
            Ok(job) => print(json, &job, |job| vec![show::sentence(job)])?,
            Err(error) => {
                eprintln!("scheduler: {}: {}", printable(id), words_of(&error));
                first_failure = first_failure.or(Some(code_of(&error.into())));
            }
        }
    }
    first_failure.map_or(Ok(()), |code| Err(Told(code).into()))
}

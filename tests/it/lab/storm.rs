//! A run of the laboratory: programs that are killed and started again, all at once, on one store behind a bad network,
//! while clients create and cancel. Then the weather clears and days pass on a virtual clock, so that everything comes
//! to its end and can be judged. It decides nothing: `plan` does. Neighbour: `report` is the verdict.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use http::Method;
use serde_json::Value;
use shared::clock::{Clock, format_instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::plan::{Death, Life, Plan, PlannedJob};
use super::report::{Cancellation, Report};
use crate::support::app::App;
use crate::support::chaos_proxy::{ChaosProxy, Seen};
use crate::support::conversation::{Answer, Conversation, Created, id};
use crate::support::invariants::Evidence;
use crate::support::receiver::{Call, Receiver};
use crate::support::stores::Store;
use crate::support::waiting::later;

/// The programs, by how many seconds their clocks are ahead. The first two are as far apart as a lease allows for.
const CLOCKS_AHEAD: [i32; 4] = [0, 30, 15, 0];
/// The action of a failpoint that holds its thread, as the crate `fail` names it.
const STAND_STILL: &str = "sleep";
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(30);
const CLIENTS: u64 = 6;
const TOKEN: &str = "sch_the-token-of-the-laboratory";
/// How long a program may take to get to its failpoint before it is killed where it is.
const PATIENCE: Duration = Duration::from_millis(1_800);
/// What tells that the program was built with failpoints.
const ARMED: &str = "failpoints are built in";

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) kills: u64,
    pub(super) jobs: u64,
}

struct Storm {
    plan: Arc<Plan>,
    size: Size,
    store: Store,
    proxy: ChaosProxy,
    receiver: Receiver,
    /// One for each program, at the place where it listens in its present life.
    conversations: Vec<Conversation>,
    kills: watch::Sender<BTreeMap<String, u64>>,
    faults: Arc<Mutex<BTreeMap<String, u64>>>,
    promises: Mutex<Vec<Created>>,
    cancellations: Mutex<Vec<Cancellation>>,
}

pub(super) async fn run(seed: u64, size: Size, store: Store) -> Report {
    let plan = Arc::new(Plan::of(seed));
    let faults = Arc::new(Mutex::new(BTreeMap::new()));
    let (weather, jobs_table) = (faults.clone(), format!("{}jobs", store.table_prefix()));
    let decides = plan.clone();
    let proxy = ChaosProxy::in_weather(store.endpoint(), move |request: &Seen| {
        // The tables are made, and the token put, in good weather: that is not what is tested.
        let fault = decides.weather(request).filter(|_| request.body["TableName"] == *jobs_table)?;
        let name = format!("{fault:?}").split(['(', ' ']).next().unwrap_or_default().to_owned();
        *weather.lock().unwrap().entry(name).or_default() += 1;
        Some(fault)
    })
    .await;
    let storm = Arc::new(Storm {
        plan,
        size,
        proxy,
        receiver: Receiver::start().await,
        conversations: CLOCKS_AHEAD.iter().map(|_| Conversation::new(TOKEN)).collect(),
        kills: watch::Sender::default(),
        faults,
        promises: Mutex::default(),
        cancellations: Mutex::default(),
        store,
    });
    storm.rage().await;
    storm.clear_up().await
}

impl Storm {
    /// Until there were enough kills; then every client finishes what it has begun.
    async fn rage(self: &Arc<Self>) {
        let (calm, is_calm) = watch::channel(false);
        let mut programs = JoinSet::new();
        for program in 0..CLOCKS_AHEAD.len() {
            programs.spawn(self.clone().live(program, is_calm.clone()));
        }
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(self.clone().talk(client));
        }
        while let Some(ended) = clients.join_next().await {
            ended.expect("a client says all that it has to say");
        }
        let mut kills = self.kills.subscribe();
        drop(kills.wait_for(|kills| kills.values().sum::<u64>() >= self.size.kills).await);
        calm.send_replace(true);
        while let Some(ended) = programs.join_next().await {
            ended.expect("a program is started again as often as it dies");
        }
    }

    /// One program, life after life.
    async fn live(self: Arc<Self>, program: usize, mut calm: watch::Receiver<bool>) {
        for number in 0.. {
            let life = self.plan.life(program, number);
            let mut app = self.start(program, &life).await;
            assert!(
                app.output().contains(ARMED),
                "built without failpoints: build it as `make test` does, with the tests"
            );
            self.conversations[program].move_to(&app.url(""));
            let patience = match life.death {
                Death::Killed { after } => after,
                Death::At(_) => PATIENCE,
            };
            let ended = tokio::select! {
                ended = timeout(patience, app.ended()) => Some(ended.is_ok()),
                () = async { drop(calm.wait_for(|calm| *calm).await) } => None,
            };
            app.kill9().await;
            let Some(by_itself) = ended else { return };
            let last_words = app.output();
            let place = last_words.lines().find_map(|line| line.strip_prefix("died at "));
            assert!(place.is_some() || !by_itself, "it ended by itself: {last_words}");
            let by = place.map_or_else(|| "by SIGKILL".to_owned(), |place| format!("at {place}"));
            self.kills.send_modify(|kills| *kills.entry(by).or_default() += 1);
            let kills = self.kills.borrow().values().sum::<u64>();
            if kills.is_multiple_of(100) {
                println!("{kills} kills");
            }
        }
    }

    async fn start(&self, program: usize, life: &Life) -> App {
        let mut failpoints: Vec<String> = match life.death {
            Death::Killed { .. } => Vec::new(),
            Death::At(places) => places.iter().map(|(place, visits)| format!("{place}={visits}*off->return")).collect(),
        };
        if let Some((place, visits, millis)) = life.standstill
            && !failpoints.iter().any(|there| there.starts_with(place))
        {
            failpoints.push(format!("{place}={visits}*off->1*{STAND_STILL}({millis})"));
        }
        let app = App::dev().on_through(&self.store, &self.proxy.url()).calling(&self.receiver).token(TOKEN);
        let app = app.poll_interval(life.poll_interval).clock_ahead(CLOCKS_AHEAD[program]);
        let app = app.env("HEADER_PREFIX", prefix(program)).env("LOG_LEVEL", "warn,dynoxide=error");
        app.env("FAILPOINTS", failpoints.join(";")).start().await
    }

    /// One client: it creates its share of the jobs as the kills go on, and cancels some of them.
    async fn talk(self: Arc<Self>, client: u64) {
        let mut kills = self.kills.subscribe();
        let mut cancelling = JoinSet::new();
        for number in (client..self.size.jobs).step_by(usize::try_from(CLIENTS).unwrap()) {
            let turn = number * self.size.kills * 9 / 10 / self.size.jobs;
            drop(kills.wait_for(|kills| kills.values().sum::<u64>() >= turn).await);
            // On a machine so slow that programs die before they have answered, the kills decide the length of a run.
            if kills.borrow().values().sum::<u64>() >= self.size.kills {
                break;
            }
            let job = self.plan.job(number, &self.receiver.url(""));
            self.receiver.script(&job.path, job.answers.clone());
            let promised = self.create(&job).await;
            if let Some(delay) = job.cancel {
                cancelling.spawn(self.clone().cancel(number, id(&promised).to_owned(), delay));
            }
        }
        while let Some(ended) = cancelling.join_next().await {
            ended.expect("a cancellation is answered");
        }
    }

    /// Asks one program after the other until one answers; the key makes the repeated question the same.
    async fn create(&self, job: &PlannedJob) -> Value {
        let (seed, number) = (self.plan.seed, job.number);
        let body = Value::from(job.request.clone()).to_string();
        let answer = self
            .ask("create", number, |conversation| {
                let request = conversation.request(Method::POST, "/scheduled-jobs").body(body.clone());
                request.header("content-type", "application/json").header("idempotency-key", format!("{seed}-{number}"))
            })
            .await;
        assert!([200, 201].contains(&answer.status), "{answer:?}");
        let promise = Created { token: Some(TOKEN.to_owned()), job: answer.body.clone() };
        self.promises.lock().unwrap().push(promise);
        answer.body
    }

    async fn cancel(self: Arc<Self>, number: u64, job_id: String, delay: Duration) {
        let mut kills = self.kills.subscribe();
        // The last are cancelled when there were enough kills, or the clients would still talk long after the storm.
        drop(timeout(delay, kills.wait_for(|kills| kills.values().sum::<u64>() >= self.size.kills)).await);
        let path = format!("/scheduled-jobs/{job_id}");
        let answer = self.ask("cancel", number, |conversation| conversation.request(Method::DELETE, &path)).await;
        if [200, 204].contains(&answer.status) {
            let cancellation = Cancellation { job_id, heard_at: Clock::System.now() };
            self.cancellations.lock().unwrap().push(cancellation);
        } else {
            assert!([404, 409].contains(&answer.status), "{answer:?}");
        }
    }

    async fn ask(&self, what: &str, number: u64, request: impl Fn(&Conversation) -> reqwest::RequestBuilder) -> Answer {
        for attempt in 0.. {
            let conversation = &self.conversations[self.plan.choice(what, number, attempt, CLOCKS_AHEAD.len())];
            // It may be dead, or die before it answers, or not get through to its store.
            let asked = request(conversation).timeout(Duration::from_secs(20));
            match conversation.try_send(asked).await {
                Ok(answer) if answer.status < 500 => return answer,
                Ok(_) | Err(_) => later(Duration::from_millis(50)).await,
            }
        }
        unreachable!("it asks until it is answered")
    }

    /// Days go by in good weather, until nothing is open. Then the verdict.
    async fn clear_up(&self) -> Report {
        let stormy = self.receiver.all_calls().len();
        // After the end of every lease, by whatever clock it was taken.
        let start = Clock::System.now() + TimeDelta::minutes(3);
        let app = App::dev().on(&self.store).calling(&self.receiver).token(TOKEN).now(&format_instant(start));
        let app = app.env("LOG_LEVEL", "warn,dynoxide=error").start().await;
        for minutes in (2..60).step_by(2) {
            app.advance_to(&format_instant(start + TimeDelta::minutes(minutes))).await;
        }
        for hour in 1..=96 {
            app.advance_to(&format_instant(start + TimeDelta::hours(hour))).await;
        }
        let mut evidence = Evidence::gather(&app).await;
        evidence.clocks_apart = CLOCKS_APART;
        evidence.created = self.promises.lock().unwrap().clone();
        for (number, call) in evidence.calls.iter_mut().enumerate() {
            if number < stormy {
                as_its_program_sees_it(call);
            }
        }
        let mut report = Report { seed: self.plan.seed, kills: self.kills.borrow().clone(), ..Report::default() };
        report.faults = self.faults.lock().unwrap().clone();
        report.read(&evidence, &self.cancellations.lock().unwrap());
        report
    }
}

/// What the names of a program's headers begin with, so that the receiver can tell who called.
fn prefix(program: usize) -> String {
    format!("Program{program}-")
}

/// Stamps a call with the clock of the program that made it, and gives it the usual names.
fn as_its_program_sees_it(call: &mut Call) {
    for (program, ahead) in CLOCKS_AHEAD.iter().enumerate() {
        let prefix = prefix(program).to_lowercase();
        let mut is_its = false;
        for (name, _) in &mut call.headers {
            if let Some(rest) = name.strip_prefix(&prefix) {
                *name = format!("contit-{rest}");
                is_its = true;
            }
        }
        if is_its {
            call.at = Some(call.received_at + TimeDelta::seconds((*ahead).into()));
        }
    }
}

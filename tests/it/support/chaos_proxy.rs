//! A network between the program and its store that fails on purpose: it loses, holds and refuses what a rule names.
//! It never changes a request or an answer that it lets through. Neighbours: `stores` has what stands behind it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::http_server::{Body, Cut, HttpServer, body, cut_in_the_middle};
use super::waiting::{later, until};

/// What happens to a request that a rule names.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The store carries it out; the connection is cut instead of the answer.
    DropAnswer,
    /// The connection is cut; the store never sees it.
    DropRequest,
    /// The store sees it only when the rule is released, even if the program is gone by then.
    HoldRequest,
    /// The store carries it out; the answer waits until the rule is released.
    HoldAnswer,
    /// The store never sees it; it is answered with this error of DynamoDB's, such as [`Fault::throttled`].
    FailWith { status: u16, error: &'static str },
    /// The store never sees it; it is answered with this.
    AnswerWith(Value),
    /// The store sees it this much later.
    Delay(Duration),
    /// The store carries it out at once; the answer comes this much later.
    DelayAnswer(Duration),
    /// The store carries it out at once, and once more this much later, when nobody waits for an answer.
    Duplicate(Duration),
    /// The store carries it out; the connection is cut in the middle of the answer.
    CutAnswer,
}

/// Which requests a rule is for: all of its conditions hold.
#[derive(Clone, Default)]
pub struct Matching {
    operation: Option<String>,
    conditions: Vec<Condition>,
    nth: Option<usize>,
}

type Condition = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

/// What the proxy saw of one request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `UpdateItem`, `Query`, …
    pub operation: String,
    pub body: Value,
    /// What became of it; `None` while that is open.
    pub outcome: Option<Outcome>,
}

#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the store answered, whether or not the answer was let through; `None` when the store did not see it.
    pub stored: Option<(u16, Value)>,
    /// Whether the program got an answer (the store's or a made-up one).
    pub answered: bool,
}

pub struct ChaosProxy {
    server: HttpServer,
    state: Arc<Shared>,
}

/// One rule of a proxy; it stays in force when this is dropped.
#[derive(Clone)]
pub struct Rule(Arc<RuleState>);

struct Shared {
    store: String,
    client: reqwest::Client,
    rules: Mutex<Vec<Rule>>,
    weather: Option<Weather>,
    log: watch::Sender<Vec<Seen>>,
}

/// What happens to each request that no rule names, if anything.
type Weather = Box<dyn Fn(&Seen) -> Option<Fault> + Send + Sync>;

struct RuleState {
    matching: Matching,
    fault: Fault,
    matched: Mutex<usize>,
    reached: watch::Sender<usize>,
    released: watch::Sender<bool>,
    withdrawn: AtomicBool,
}

/// Requests of one operation.
pub fn operation(name: &str) -> Matching {
    Matching { operation: Some(name.to_owned()), ..Matching::default() }
}

pub fn any_operation() -> Matching {
    Matching::default()
}

impl Matching {
    /// Only those whose JSON body contains this text, such as `":firing"`.
    pub fn with_text(self, text: &str) -> Self {
        let text = text.to_owned();
        self.that(move |body| body.to_string().contains(&text))
    }

    /// Only those whose body fulfils this.
    pub fn that(mut self, condition: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        self.conditions.push(Arc::new(condition));
        self
    }

    /// Only the nth of them, counted from 1 since the rule was made.
    pub fn nth(mut self, nth: usize) -> Self {
        self.nth = Some(nth);
        self
    }

    pub fn fits(&self, seen: &Seen) -> bool {
        self.operation.as_ref().is_none_or(|operation| *operation == seen.operation)
            && self.conditions.iter().all(|condition| condition(&seen.body))
    }
}

impl Fault {
    /// The store is over its capacity; the SDK tries again.
    pub fn throttled() -> Self {
        Self::FailWith { status: 400, error: "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException" }
    }

    /// The store is ill; the SDK tries again.
    pub fn internal_error() -> Self {
        Self::FailWith { status: 500, error: "com.amazonaws.dynamodb.v20120810#InternalServerError" }
    }
}

impl ChaosProxy {
    /// Stands in front of the store at this URL, and lets everything through until there are rules.
    pub async fn before(store: &str) -> Self {
        Self::start(store, None).await
    }

    /// The same in bad weather, which strikes as it likes. It keeps no log: too much passes through.
    pub async fn in_weather(store: &str, weather: impl Fn(&Seen) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self::start(store, Some(Box::new(weather))).await
    }

    async fn start(store: &str, weather: Option<Weather>) -> Self {
        let state = Arc::new(Shared {
            store: store.to_owned(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            rules: Mutex::default(),
            weather,
            log: watch::Sender::new(Vec::new()),
        });
        let shared = Arc::clone(&state);
        let server = HttpServer::start(move |request| detached(Arc::clone(&shared), request)).await;
        Self { server, state }
    }

    /// The endpoint to give to the program.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// From now on. A request that fits several rules goes by the first one in force.
    pub fn rule(&self, matching: Matching, fault: Fault) -> Rule {
        let rule = Rule::new(matching, fault);
        self.state.rules.lock().unwrap().push(rule.clone());
        rule
    }

    /// Drops all rules and releases what they hold.
    pub fn heal(&self) {
        for rule in self.state.rules.lock().unwrap().drain(..) {
            rule.withdraw();
        }
    }

    /// Everything so far, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.log.borrow().clone()
    }

    /// Waits until `count` such requests have arrived since the start, whatever became of them. An `nth` is ignored.
    pub async fn wait_for(&self, matching: &Matching, count: usize) {
        let what = format!("{count} requests like {matching:?}");
        self.wait_until(&what, |log| log.iter().filter(|seen| matching.fits(seen)).count() >= count).await;
    }

    /// Waits until the log is so.
    pub async fn wait_until(&self, what: &str, mut condition: impl FnMut(&[Seen]) -> bool) {
        until(what, &self.state.log, |log| condition(log)).await;
    }
}

impl Rule {
    fn new(matching: Matching, fault: Fault) -> Self {
        Self(Arc::new(RuleState {
            matching,
            fault,
            matched: Mutex::new(0),
            reached: watch::Sender::new(0),
            released: watch::Sender::new(false),
            withdrawn: AtomicBool::new(false),
        }))
    }

    /// Waits until the fault has struck `count` times: the connection is about to be cut, the request or answer is held.
    pub async fn struck(&self, count: usize) {
        let what = format!("{:?} to strike {count} times on {:?}", self.0.fault, self.0.matching);
        until(&what, &self.0.reached, |reached| *reached >= count).await;
    }

    pub fn times_struck(&self) -> usize {
        *self.0.reached.borrow()
    }

    /// Lets go of what is held, now and from now on.
    pub fn release(&self) {
        self.0.released.send_replace(true);
    }

    /// Lets everything through from now on, and what is held.
    pub fn withdraw(&self) {
        self.0.withdrawn.store(true, Ordering::SeqCst);
        self.release();
    }

    fn takes(&self, seen: &Seen) -> bool {
        if self.0.withdrawn.load(Ordering::SeqCst) || !self.0.matching.fits(seen) {
            return false;
        }
        let mut matched = self.0.matched.lock().unwrap();
        *matched += 1;
        self.0.matching.nth.is_none_or(|nth| nth == *matched)
    }

    fn strike(&self) {
        self.0.reached.send_modify(|reached| *reached += 1);
    }

    async fn hold(&self) {
        self.strike();
        drop(self.0.released.subscribe().wait_for(|released| *released).await);
    }
}

/// In a task of its own: a request under way is not called back by the death of who sent it.
async fn detached(state: Arc<Shared>, request: Request<Bytes>) -> Result<Response<Body>, Cut> {
    tokio::spawn(async move { state.pass(request).await }).await.map_err(|_| Cut)?
}

impl Shared {
    async fn pass(self: Arc<Self>, request: Request<Bytes>) -> Result<Response<Body>, Cut> {
        let seen = Seen::of(&request);
        if let Some(weather) = &self.weather {
            let struck = weather(&seen).map(|fault| Rule::new(any_operation(), fault));
            return self.meet(struck, request).await.1;
        }
        let rule = self.rule_for(&seen);
        let mut number = 0;
        self.log.send_modify(|log| {
            number = log.len();
            log.push(seen);
        });
        let (stored, answer) = self.meet(rule, request).await;
        let outcome = Outcome { stored, answered: answer.is_ok() };
        self.log.send_modify(|log| log[number].outcome = Some(outcome));
        answer
    }

    /// Every rule counts what fits it, also when an earlier one takes it.
    fn rule_for(&self, seen: &Seen) -> Option<Rule> {
        let rules = self.rules.lock().unwrap();
        let taking: Vec<&Rule> = rules.iter().filter(|rule| rule.takes(seen)).collect();
        taking.first().map(|rule| (*rule).clone())
    }

    async fn meet(self: &Arc<Self>, rule: Option<Rule>, request: Request<Bytes>) -> (Option<(u16, Value)>, Answer) {
        let Some(rule) = rule else { return self.forward(request).await };
        match &rule.0.fault {
            Fault::DropRequest => {
                rule.strike();
                (None, Err(Cut))
            }
            Fault::FailWith { status, error } => {
                rule.strike();
                let problem = json!({ "__type": error, "message": "the test wants this" });
                (None, Ok(made_up(*status, &problem)))
            }
            Fault::AnswerWith(answer) => {
                rule.strike();
                (None, Ok(made_up(200, answer)))
            }
            Fault::HoldRequest => {
                rule.hold().await;
                self.forward(request).await
            }
            Fault::DropAnswer => {
                let (stored, _) = self.forward(request).await;
                rule.strike();
                (stored, Err(Cut))
            }
            Fault::HoldAnswer => {
                let forwarded = self.forward(request).await;
                rule.hold().await;
                forwarded
            }
            Fault::Delay(delay) => {
                rule.strike();
                later(*delay).await;
                self.forward(request).await
            }
            Fault::DelayAnswer(delay) => {
                let forwarded = self.forward(request).await;
                rule.strike();
                later(*delay).await;
                forwarded
            }
            Fault::Duplicate(delay) => {
                let (delay, again, proxy) = (*delay, request.clone(), Arc::clone(self));
                let forwarded = self.forward(request).await;
                rule.strike();
                tokio::spawn(async move {
                    later(delay).await;
                    proxy.forward(again).await
                });
                forwarded
            }
            Fault::CutAnswer => {
                let (stored, answer) = self.forward(request).await;
                rule.strike();
                (stored, answer.map(|answer| answer.map(cut_in_the_middle)))
            }
        }
    }

    async fn forward(&self, request: Request<Bytes>) -> (Option<(u16, Value)>, Answer) {
        let (mut head, bytes) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.headers.remove(http::header::HOST);
        let sent = self.client.request(head.method, format!("{}{path}", self.store)).headers(head.headers).body(bytes);
        let Ok(answer) = sent.send().await else { return (None, Err(Cut)) };
        let status = answer.status();
        let mut response = Response::builder().status(status);
        for (name, value) in answer.headers().iter().filter(|(name, _)| !is_hop_by_hop(name)) {
            response = response.header(name, value);
        }
        let Ok(bytes) = answer.bytes().await else { return (None, Err(Cut)) };
        let parsed = serde_json::from_slice(&bytes).unwrap_or_default();
        (Some((status.as_u16(), parsed)), Ok(response.body(body(bytes)).unwrap()))
    }
}

type Answer = Result<Response<Body>, Cut>;

fn is_hop_by_hop(name: &http::HeaderName) -> bool {
    [http::header::CONNECTION, http::header::TRANSFER_ENCODING, http::header::CONTENT_LENGTH].contains(name)
}

fn made_up(status: u16, answer: &Value) -> Response<Body> {
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
    response.body(body(answer.to_string())).unwrap()
}

impl Seen {
    fn of(request: &Request<Bytes>) -> Self {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        Self {
            operation: target.rsplit('.').next().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(request.body()).unwrap_or_default(),
            outcome: None,
        }
    }
}

impl fmt::Debug for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation.as_deref().unwrap_or("any operation");
        write!(f, "{operation} under {} conditions", self.conditions.len())?;
        self.nth.map_or(Ok(()), |nth| write!(f, ", the one of number {nth}"))
    }
}

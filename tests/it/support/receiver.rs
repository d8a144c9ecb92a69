//! Somebody's web server that the Scheduler calls: it logs every call and answers as the test scripted.
//! It never knows about jobs. Neighbours: `invariants` reads its log.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, pending, ready};
use futures_util::{FutureExt, StreamExt, stream};
use http::{Request, Response};
use shared::clock::Clock;
use tokio::sync::watch;

use super::http_server::{Body, Cut, HttpServer, body, streamed};
use super::waiting::until;

/// A call as it arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// When, by the clock that the receiver follows; `None` when that clock did not answer.
    pub at: Option<DateTime<Utc>>,
    /// When, by the system's clock.
    pub received_at: DateTime<Utc>,
    pub method: String,
    pub path_and_query: String,
    /// In the order of arrival, names in lower case; those of a repeated name stand together.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The status that was answered; `None` while there is no answer.
    pub answered: Option<u16>,
}

/// How one call is answered.
#[derive(Clone, Debug)]
pub struct Step {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    course: Course,
}

/// What happens to an answer on its way.
#[derive(Clone, Copy, Debug)]
enum Course {
    Whole,
    OnceReleased,
    CutBefore,
    NeverBegun,
    CutInBody,
    NeverEndingBody,
    StuckInBody,
}

/// It serves until its last clone is dropped.
#[derive(Clone)]
pub struct Receiver {
    server: Arc<HttpServer>,
    state: Arc<Shared>,
}

struct Shared {
    log: watch::Sender<Vec<Call>>,
    scripts: Mutex<HashMap<String, Script>>,
    clock: Mutex<TellTime>,
}

/// The steps for one path, in order; the last one repeats.
struct Script {
    steps: VecDeque<Step>,
    released: watch::Sender<bool>,
}

/// A clock that may have to be asked over the network.
pub type TellTime = Arc<dyn Fn() -> BoxFuture<'static, Option<DateTime<Utc>>> + Send + Sync>;

/// An answer with this status and no body.
pub fn answer(status: u16) -> Step {
    Step { status, headers: Vec::new(), body: Bytes::new(), course: Course::Whole }
}

/// A 200 that is held back until [`Receiver::release`].
pub fn stall() -> Step {
    Step { course: Course::OnceReleased, ..answer(200) }
}

/// Closes the connection without a byte of an answer.
pub fn cut() -> Step {
    Step { course: Course::CutBefore, ..answer(0) }
}

/// Reads the call and never answers.
pub fn hang() -> Step {
    Step { course: Course::NeverBegun, ..answer(0) }
}

/// A 200 whose body goes on for as long as somebody reads it.
pub fn endless_body() -> Step {
    Step { course: Course::NeverEndingBody, ..answer(200) }
}

/// A 200 that sends the beginning of its body and then nothing, for ever.
pub fn stuck_body() -> Step {
    Step { course: Course::StuckInBody, ..answer(200).body("the beginning") }
}

/// A 200 whose connection is cut in the middle of the body.
pub fn cut_in_body() -> Step {
    Step { course: Course::CutInBody, ..answer(200).body("the beginning") }
}

/// `count` answers of `status`, then 200 for good.
pub fn failing(count: usize, status: u16) -> Vec<Step> {
    let mut steps = vec![answer(status); count];
    steps.push(answer(200));
    steps
}

impl Step {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body = bytes.into();
        self
    }

    /// Another status than the step came with, as in `endless_body().status(500)`.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

impl Receiver {
    /// Answers 200 to everything until it is scripted.
    pub async fn start() -> Self {
        let state = Arc::new(Shared {
            log: watch::Sender::new(Vec::new()),
            scripts: Mutex::new(HashMap::new()),
            clock: Mutex::new(Arc::new(|| async { Some(Clock::System.now()) }.boxed())),
        });
        let shared = Arc::clone(&state);
        let server = HttpServer::start(move |request| receive(Arc::clone(&shared), request)).await;
        Self { server: Arc::new(server), state }
    }

    /// Has calls stamped with this clock, for a program that does not run on the system's.
    pub fn follow(&self, clock: TellTime) {
        *self.state.clock.lock().unwrap() = clock;
    }

    /// The URL of a path on this receiver; the path may carry a query.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    /// Answers calls of this path (query apart) with these steps in order, the last one for good.
    pub fn script(&self, path: &str, steps: impl IntoIterator<Item = Step>) {
        let script = Script { steps: steps.into_iter().collect(), released: watch::Sender::new(false) };
        assert!(!script.steps.is_empty(), "a script needs a step");
        self.state.scripts.lock().unwrap().insert(path.to_owned(), script);
    }

    /// Lets the calls go on that a `stall` holds back, and those that come later.
    pub fn release(&self, path: &str) {
        let scripts = self.state.scripts.lock().unwrap();
        scripts.get(path).expect("only a scripted path can be released").released.send_replace(true);
    }

    /// The calls of this path (query apart) so far, in the order of arrival.
    pub fn calls(&self, path: &str) -> Vec<Call> {
        self.state.log.borrow().iter().filter(|call| call.path() == path).cloned().collect()
    }

    pub fn all_calls(&self) -> Vec<Call> {
        self.state.log.borrow().clone()
    }

    /// Waits until this path was called `count` times (or more) and returns its calls.
    pub async fn wait_for(&self, path: &str, count: usize) -> Vec<Call> {
        let what = format!("{count} calls of {path}");
        until(&what, &self.state.log, |log| log.iter().filter(|call| call.path() == path).count() >= count).await;
        self.calls(path)
    }

    /// Waits until `count` calls of this path were answered and returns its calls.
    pub async fn wait_for_answered(&self, path: &str, count: usize) -> Vec<Call> {
        let answered = |call: &&Call| call.path() == path && call.answered.is_some();
        let what = format!("{count} answers to {path}");
        until(&what, &self.state.log, |log| log.iter().filter(answered).count() >= count).await;
        self.calls(path)
    }
}

impl Call {
    pub fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }

    /// The value of a header, whatever the case of its name; panics if it came more than once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.header_values(name);
        assert!(values.len() <= 1, "{name} came {} times: {values:?}", values.len());
        values.first().copied()
    }

    pub fn header_values(&self, name: &str) -> Vec<&str> {
        let named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|(_, value)| value.as_str()).collect()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }
}

async fn receive(state: Arc<Shared>, request: Request<Bytes>) -> Result<Response<Body>, Cut> {
    let clock = Arc::clone(&state.clock.lock().unwrap());
    let call = Call::arrived(clock().await, request);
    let planned = state.next_step(call.path());
    let mut number = 0;
    state.log.send_modify(|log| {
        number = log.len();
        log.push(call);
    });
    let Some((step, mut released)) = planned else { return Ok(state.send(number, &answer(200))) };
    match step.course {
        Course::NeverBegun => pending().await,
        Course::CutBefore => Err(Cut),
        Course::OnceReleased => {
            // A script that was replaced lets go of the calls it held.
            drop(released.wait_for(|released| *released).await);
            Ok(state.send(number, &step))
        }
        Course::Whole | Course::CutInBody | Course::NeverEndingBody | Course::StuckInBody => {
            Ok(state.send(number, &step))
        }
    }
}

impl Shared {
    fn next_step(&self, path: &str) -> Option<(Step, watch::Receiver<bool>)> {
        let mut scripts = self.scripts.lock().unwrap();
        let script = scripts.get_mut(path)?;
        let last = script.steps.len() == 1;
        let step = if last { script.steps.front().cloned() } else { script.steps.pop_front() };
        Some((step?, script.released.subscribe()))
    }

    /// Logs the answer before it leaves: who has seen it finds it in the log.
    fn send(&self, number: usize, step: &Step) -> Response<Body> {
        self.log.send_modify(|log| log[number].answered = Some(step.status));
        let mut response = Response::builder().status(step.status);
        for (name, value) in &step.headers {
            response = response.header(name, value);
        }
        response.body(step.sent_body()).expect("a script makes valid answers")
    }
}

impl Step {
    fn sent_body(&self) -> Body {
        let beginning = stream::once(ready(Ok(self.body.clone())));
        match self.course {
            Course::CutInBody => streamed(beginning.chain(stream::once(async {
                // While nothing is ready the server sends what it has.
                tokio::task::yield_now().await;
                Err(Cut)
            }))),
            Course::StuckInBody => streamed(beginning.chain(stream::pending())),
            Course::NeverEndingBody => streamed(stream::repeat_with(|| Ok(Bytes::from_static(&[b'x'; 16 * 1024])))),
            Course::Whole | Course::OnceReleased | Course::CutBefore | Course::NeverBegun => body(self.body.clone()),
        }
    }
}

impl Call {
    fn arrived(at: Option<DateTime<Utc>>, request: Request<Bytes>) -> Self {
        let (head, body) = request.into_parts();
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self {
            at,
            received_at: Clock::System.now(),
            method: head.method.to_string(),
            path_and_query: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body,
            answered: None,
        }
    }
}

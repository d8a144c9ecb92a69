//! A line between a client and the Scheduler that loses answers to requests that were taken, and requests, on the throw
//! of a seeded die. It never changes what it lets through. Neighbour: `chaos_proxy` stands before the store.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};

use super::http_server::{Body, Cut, HttpServer, body};

/// Of a thousand.
const LOST_REQUESTS: u32 = 50;
const LOST_ANSWERS: u32 = 250;

pub struct FlakyLine {
    server: HttpServer,
    state: Arc<Shared>,
}

struct Shared {
    target: String,
    client: reqwest::Client,
    die: Mutex<u32>,
    lost_requests: AtomicUsize,
    lost_answers: AtomicUsize,
}

impl FlakyLine {
    pub async fn to(target: &str, seed: u32) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (lost_requests, lost_answers) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let die = Mutex::new(seed);
        let state = Arc::new(Shared { target: target.to_owned(), client, die, lost_requests, lost_answers });
        let shared = Arc::clone(&state);
        let server = HttpServer::start(move |request| pass(Arc::clone(&shared), request)).await;
        Self { server, state }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Answers to requests that the Scheduler took.
    pub fn lost_answers(&self) -> usize {
        self.state.lost_answers.load(Ordering::SeqCst)
    }

    /// Requests that the Scheduler never saw.
    pub fn lost_requests(&self) -> usize {
        self.state.lost_requests.load(Ordering::SeqCst)
    }
}

async fn pass(state: Arc<Shared>, request: Request<Bytes>) -> Result<Response<Body>, Cut> {
    if state.throw() < LOST_REQUESTS {
        state.lost_requests.fetch_add(1, Ordering::SeqCst);
        return Err(Cut);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut forwarded = state.client.request(request.method().clone(), format!("{}{path}", state.target));
    forwarded = forwarded.headers(request.headers().clone()).body(request.into_body());
    let answer = forwarded.send().await.map_err(|_| Cut)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.map_err(|_| Cut)?;
    if state.throw() < LOST_ANSWERS {
        state.lost_answers.fetch_add(1, Ordering::SeqCst);
        return Err(Cut);
    }
    let mut response = Response::new(body(bytes));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}

impl Shared {
    /// From 0 to 999: a linear congruential generator is random enough here.
    fn throw(&self) -> u32 {
        let mut die = self.die.lock().unwrap();
        *die = die.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*die >> 8) % 1000
    }
}

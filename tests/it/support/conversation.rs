//! What a client says to the API and what it hears; it remembers what the API promised.
//! It never interprets jobs. Neighbours: `app` starts the program that answers, `invariants` reads the promises.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::secrets::Secrets;

/// One client with one token (or none). Clones with other tokens share the memory.
#[derive(Clone, Debug)]
pub struct Conversation {
    shared: Arc<Shared>,
    token: Option<String>,
}

#[derive(Debug)]
struct Shared {
    /// Changes when the program is started again.
    url: Mutex<String>,
    client: reqwest::Client,
    created: Mutex<Vec<Created>>,
    secrets: Secrets,
}

/// A `201`: the promise that everything else is measured by.
#[derive(Clone, Debug)]
pub struct Created {
    pub token: Option<String>,
    pub job: Value,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `POST /scheduled-jobs`, for messages.
    asked: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// `Null` when the text is not JSON.
    pub body: Value,
}

/// The `id` of a job as an endpoint returned it.
pub fn id(job: &Value) -> &str {
    job["id"].as_str().unwrap_or_else(|| panic!("no id in {job}"))
}

impl Conversation {
    pub fn new(token: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.timeout(Duration::from_secs(120)).build().unwrap();
        let (created, secrets) = (Mutex::default(), Secrets::default());
        let shared = Shared { url: Mutex::default(), client, created, secrets };
        Self { shared: Arc::new(shared), token: Some(token.to_owned()) }
    }

    /// Where the program listens now.
    pub fn move_to(&self, url: &str) {
        url.clone_into(&mut self.shared.url.lock().unwrap());
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.shared.url.lock().unwrap())
    }

    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    #[must_use]
    pub fn without_token(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// All `201`s heard with any token since the first start.
    pub fn created(&self) -> Vec<Created> {
        self.shared.created.lock().unwrap().clone()
    }

    /// A job that another client was promised, to be measured by with all the others.
    pub fn promised(&self, job: scheduler_client::Job) -> scheduler_client::Job {
        let (token, body) = (self.token.clone(), serde_json::to_value(&job).unwrap());
        self.shared.created.lock().unwrap().push(Created { token, job: body });
        job
    }

    /// What was told to the program in confidence since the first start.
    pub fn secrets(&self) -> &Secrets {
        &self.shared.secrets
    }

    pub async fn post_job(&self, job: impl Into<Value>) -> Answer {
        self.post_raw("/scheduled-jobs", "application/json", job.into().to_string()).await
    }

    /// For bodies whose bytes matter, or that are no JSON.
    pub async fn post_raw(&self, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", content_type).body(body.into());
        self.send(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::PUT, path).header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    /// The job as it stands.
    pub async fn job(&self, id: &str) -> Value {
        self.get(&format!("/scheduled-jobs/{id}")).await.ok()
    }

    pub async fn cancel(&self, id: &str) -> Answer {
        self.delete(&format!("/scheduled-jobs/{id}")).await
    }

    /// All items of a list, page by page; `query` such as `status=Pending&limit=3`, or nothing.
    pub async fn all_pages(&self, query: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = None::<String>;
        loop {
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = self.get(&format!("/scheduled-jobs?{query}{after}")).await.ok();
            items.extend(page["items"].as_array().expect("a page has items").iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return items,
            }
        }
    }

    /// A request with this client's token, to be completed and given to [`Self::send`].
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.shared.client.request(method, self.url(path));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|error| panic!("the program did not answer: {error:?}"))
    }

    /// For tests in which the program may die before it answers.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let request = request.build()?;
        let creates = request.method() == Method::POST && request.url().path() == "/scheduled-jobs";
        let asked = format!("{} {}", request.method(), request.url().path());
        self.keep_secrets_of(&request);
        let response = self.shared.client.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Answer::heard(asked, status, headers, response.text().await?);
        if creates && status == 201 {
            let created = Created { token: self.token.clone(), job: answer.body.clone() };
            self.shared.created.lock().unwrap().push(created);
        }
        Ok(answer)
    }
}

impl Conversation {
    fn keep_secrets_of(&self, request: &reqwest::Request) {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        for credentials in [header("authorization"), header("x-api-key")].into_iter().flatten() {
            self.shared.secrets.keep(credentials.split_once(' ').map_or(credentials, |(_, token)| token));
        }
        if let Some(body) = request.body().and_then(reqwest::Body::as_bytes) {
            self.shared.secrets.keep_those_of_a_job(body);
        }
    }
}

impl Answer {
    /// An answer that came by another way than this client.
    pub fn heard(asked: String, status: u16, headers: HeaderMap, text: String) -> Self {
        let body = serde_json::from_str(&text).unwrap_or_default();
        Self { asked, status, headers, text, body }
    }

    /// `201` with the job, and where to find it.
    pub fn created(&self) -> Value {
        self.has_status(201);
        let path = format!("/scheduled-jobs/{}", id(&self.body));
        assert!(self.header("location").is_some_and(|place| place.ends_with(&path)), "no Location in {self:#?}");
        self.body.clone()
    }

    pub fn ok(&self) -> Value {
        self.has_status(200);
        self.body.clone()
    }

    /// A problem document of RFC 9457 with this status, complete and without a word about the inside.
    pub fn problem(&self, status: u16) -> &Self {
        self.has_status(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:#?}");
        assert_eq!(self.body["status"], json!(status), "{self:#?}");
        for member in ["type", "title", "detail", "instance"] {
            assert!(self.body[member].as_str().is_some_and(|text| !text.is_empty()), "no {member} in {self:#?}");
        }
        for inside in ["panicked", "scheduler-jobs", "dynamo", ".rs:"] {
            assert!(!self.text.contains(inside), "{inside:?} shows in {self:#?}");
        }
        self
    }

    /// The pointers of a problem's `errors`, in order.
    pub fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map_or(&[][..], Vec::as_slice);
        errors.iter().map(|error| error["pointer"].as_str().expect("an error has a pointer")).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header of text"))
    }

    pub fn has_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{} answered {self:#?}", self.asked);
        self
    }
}

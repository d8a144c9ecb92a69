//! Requests as API Gateway hands them to the function (HTTP API, payload format 2.0), and its answers as a client sees them.
//! It never talks HTTP itself. Neighbours: `emulator` runs the function, `tests/events` holds the events this starts from.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::conversation::Answer;
use super::emulator::Function;

/// A request on its way through API Gateway.
#[derive(Clone, Debug)]
pub struct HttpEvent(Value);

/// An event of `tests/events`.
pub fn event(name: &str) -> Value {
    let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A request without a body, and without a token.
pub fn request(method: &str, path: &str) -> HttpEvent {
    let mut event = event("api-list-jobs");
    for member in ["cookies", "queryStringParameters"] {
        event.as_object_mut().unwrap().remove(member);
    }
    event["headers"].as_object_mut().unwrap().remove("authorization");
    event["rawQueryString"] = "".into();
    event["rawPath"] = path.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["requestContext"]["http"]["method"] = method.into();
    HttpEvent(event)
}

impl HttpEvent {
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// In place of what the header said before.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.0["headers"][name] = value.into();
        self
    }

    /// API Gateway joins the values of a repeated header with commas.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let headers = self.0["headers"].as_object_mut().unwrap();
        let joined =
            headers.get(name).map_or_else(|| value.to_owned(), |first| format!("{},{value}", first.as_str().unwrap()));
        headers.insert(name.to_owned(), joined.into());
        self
    }

    /// The query as the client wrote it, still encoded.
    #[must_use]
    pub fn query(self, query: &str) -> Self {
        self.with("rawQueryString", query)
    }

    #[must_use]
    pub fn json(self, body: impl Into<String>) -> Self {
        self.header("content-type", "application/json").with("body", body.into())
    }

    /// A JSON body in base64, as API Gateway sends what it does not take for text.
    #[must_use]
    pub fn json_in_base64(self, base64: &str) -> Self {
        self.json(base64).with("isBase64Encoded", true)
    }

    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0[member] = value.into();
        self
    }
}

impl From<Value> for HttpEvent {
    fn from(event: Value) -> Self {
        Self(event)
    }
}

impl From<HttpEvent> for Value {
    fn from(event: HttpEvent) -> Self {
        event.0
    }
}

impl Function {
    /// Hands the API a request and returns what API Gateway would answer.
    pub async fn answer(&self, event: impl Into<Value>) -> Answer {
        let event = event.into();
        self.secrets().keep_those_of_an_event(&event);
        let asked = &event["requestContext"]["http"];
        let asked = format!("{} {}", asked["method"].as_str().unwrap(), asked["path"].as_str().unwrap());
        let invoked = self.invoke(&event).await;
        assert_eq!(invoked.status, 200, "{asked}: {invoked:?}");
        let response = invoked.body;
        let status = response["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
        let status = status.unwrap_or_else(|| panic!("{asked} has no status in {response}"));
        assert_eq!(response["isBase64Encoded"], json!(false), "{asked}: {response}");
        let text = response["body"].as_str().unwrap_or_default();
        Answer::heard(asked, status, headers(&response["headers"]), text.to_owned())
    }
}

fn headers(headers: &Value) -> HeaderMap {
    let headers = headers.as_object().into_iter().flatten();
    let header = |(name, value): (&String, &Value)| {
        let name: HeaderName = name.parse().expect("a header's name");
        (name, HeaderValue::from_str(value.as_str().expect("a header's value")).unwrap())
    };
    headers.map(header).collect()
}

//! Errors as the API answers them: RFC 9457 problem documents, made in this one place.
//! It never tells a stack, a table or another tenant's data. Neighbours: every handler returns a [`Problem`].

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::job::Status;
use shared::request::FieldError;
use shared::store::StoreError;
use utoipa::ToSchema;

/// A problem document.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    /// The id of the request, to be quoted to the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// All the fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<WrongField>,
    /// What a job is that would have to be something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    job_status: Option<Status>,
    /// For the header of the same name.
    #[serde(skip)]
    retry_after_seconds: Option<u16>,
    /// For the log alone.
    #[serde(skip)]
    cause: Option<Arc<StoreError>>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct WrongField {
    /// A JSON pointer (RFC 6901).
    pointer: String,
    detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            detail: detail.into(),
            instance: None,
            errors: Vec::new(),
            job_status: None,
            retry_after_seconds: None,
            cause: None,
        }
    }

    pub(crate) fn wrong_fields(errors: impl IntoIterator<Item = FieldError>) -> Self {
        let errors: Vec<_> = errors.into_iter().collect();
        // What is wrong with the request as a whole is that there are more than are named.
        let named = errors.iter().filter(|error| !error.pointer.is_empty()).count();
        let detail = match named {
            _ if named < errors.len() => format!("More than {named} fields are wrong."),
            1 => "One field is wrong.".to_owned(),
            _ => format!("{named} fields are wrong."),
        };
        Self::bad_request(detail, errors)
    }

    pub(crate) fn bad_request(detail: String, errors: Vec<FieldError>) -> Self {
        let errors = errors.into_iter().map(|e| WrongField { pointer: e.pointer, detail: e.detail }).collect();
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such job.")
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "A valid token is needed: Authorization: Bearer <token>.")
    }

    /// The job is not what it would have to be, as `only` says.
    pub(crate) fn not_in_status(only: &str, status: Status) -> Self {
        let detail = format!("{only}; this one is {status}.");
        Self { job_status: Some(status), ..Self::new(StatusCode::CONFLICT, detail) }
    }

    /// No key to check a token with: the issuer does not answer.
    pub(crate) fn issuer_unavailable() -> Self {
        let detail = "The issuer of tokens does not answer. Try again in a few seconds.";
        Self { retry_after_seconds: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// The tenant has created as many jobs as it may for now.
    pub(crate) fn too_many_creations(wait: Duration) -> Self {
        let seconds = u16::try_from(wait.as_secs()).unwrap_or(u16::MAX).saturating_add(1);
        let detail = format!("Too many jobs were created within a minute. Try again in {seconds} seconds.");
        Self { retry_after_seconds: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// The store failed, whatever the reason: nobody can be let in.
    pub(crate) fn unavailable(cause: Arc<StoreError>) -> Self {
        let detail = "The store does not answer. Try again in a few seconds.";
        Self { cause: Some(cause), retry_after_seconds: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } | StoreError::Refused { .. } => Self::unavailable(Arc::new(error)),
            StoreError::Corrupt { .. } => {
                let detail = "The job is stored in a form that cannot be read.";
                Self { cause: Some(Arc::new(error)), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail) }
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        // The request id is known to the middleware only; it finishes the document there.
        response.extensions_mut().insert(Unfinished(self));
        response
    }
}

/// A problem whose request id is still to be put in.
#[derive(Clone)]
pub(crate) struct Unfinished(Problem);

impl Unfinished {
    /// The same answer with its request id, under which its cause is logged; the headers stay.
    pub(crate) fn finish(self, response: Response, request_id: &str) -> Response {
        let problem = Problem { instance: Some(request_id.to_owned()), ..self.0 };
        if let Some(cause) = &problem.cause {
            tracing::error!(request_id, error = %cause, "a request failed: {cause}");
        }
        let (mut parts, _) = response.into_parts();
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        parts.headers.remove(axum::http::header::CONTENT_LENGTH);
        Response::from_parts(parts, body.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn finished(problem: Problem) -> (StatusCode, Option<HeaderValue>, serde_json::Value) {
        let mut response = problem.into_response();
        let unfinished = response.extensions_mut().remove::<Unfinished>().unwrap();
        let (parts, body) = unfinished.finish(response, "r").into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers.get(RETRY_AFTER).cloned(), serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_failing_store_is_told_without_its_cause() {
        let error = StoreError::Unavailable { doing: "reading".to_owned(), cause: "table t17".to_owned() };
        let (status, retry_after, body) = finished(error.into()).await;
        assert_eq!((status.as_u16(), retry_after), (503, Some(HeaderValue::from_static("5"))));
        assert_eq!(body["instance"], "r");
        assert!(!body.to_string().contains("t17"), "{body}");

        let error = StoreError::Corrupt { id: "j".to_owned(), cause: "attribute a17".to_owned() };
        let (status, retry_after, body) = finished(error.into()).await;
        assert_eq!((status.as_u16(), retry_after), (500, None));
        assert!(!body.to_string().contains("a17"), "{body}");
    }

    #[tokio::test]
    async fn a_job_that_is_something_else_is_told_by_its_status() {
        let (status, _, body) =
            finished(Problem::not_in_status("Only a Pending job can be cancelled", Status::DeadLetter)).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert_eq!((&body["jobStatus"], &body["status"]), (&"DeadLetter".into(), &409.into()));
        assert!(body["detail"].as_str().unwrap().contains("DeadLetter"));
        assert_eq!(body.get("errors"), None);
    }
}

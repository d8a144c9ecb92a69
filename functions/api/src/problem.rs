//! Errors as the API answers them: RFC 9457 problem documents, made in this one place.
//! It never tells a stack, a table or another tenant's data. Neighbours: every handler returns a [`Problem`].

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::request::FieldError;
use shared::store::StoreError;
use utoipa::ToSchema;

/// A problem document.
#[derive(Debug, Serialize, ToSchema)]
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
}

/// What is wrong with one field.
#[derive(Debug, Serialize, ToSchema)]
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
        }
    }

    pub(crate) fn wrong_fields(errors: impl IntoIterator<Item = FieldError>) -> Self {
        let errors: Vec<_> = errors.into_iter().map(|e| WrongField { pointer: e.pointer, detail: e.detail }).collect();
        let count = errors.len();
        let detail = if count == 1 { "One field is wrong.".to_owned() } else { format!("{count} fields are wrong.") };
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such job.")
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "A valid token is needed: Authorization: Bearer <token>.")
    }

    pub(crate) fn at(self, request_id: &str) -> Self {
        Self { instance: Some(request_id.to_owned()), ..self }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "{error}");
        match error {
            StoreError::Unavailable { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "The store does not answer. Try again in a few seconds.")
            }
            StoreError::Corrupt { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The job is stored in a form that cannot be read.")
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
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        // The request id is known to the middleware only; it finishes the document there.
        response.extensions_mut().insert(Unfinished(std::sync::Arc::new(self)));
        response
    }
}

/// A problem whose request id is still to be put in.
#[derive(Clone)]
pub(crate) struct Unfinished(std::sync::Arc<Problem>);

impl Unfinished {
    /// The same answer with its request id; the headers stay.
    pub(crate) fn finish(self, response: Response, request_id: &str) -> Response {
        let Some(problem) = std::sync::Arc::into_inner(self.0) else { return response };
        let (mut parts, _) = response.into_parts();
        let body = serde_json::to_vec(&problem.at(request_id)).unwrap_or_default();
        parts.headers.remove(axum::http::header::CONTENT_LENGTH);
        Response::from_parts(parts, body.into())
    }
}

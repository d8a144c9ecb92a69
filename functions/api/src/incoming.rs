//! What comes in before anybody knows what it means: ids in paths, and bodies that must be JSON.
//! It never reads a field; `shared::request` does. Neighbour: `parameters` reads the query.

use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use shared::ids::JobId;
use shared::request::{FieldError, Rejection};

use crate::LARGEST_BODY;
use crate::problem::Problem;

/// The body, if it came in whole and says that it is JSON.
pub(crate) fn read_json(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    if !is_json(headers) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json."));
    }
    body.map_err(|e| unread(&e))
}

pub(crate) fn refusal(rejection: Rejection) -> Problem {
    refusal_beside(Some(rejection), Vec::new())
}

/// All that is wrong at once: with the body, if anything, and `beside` it with the rest of the request.
pub(crate) fn refusal_beside(rejection: Option<Rejection>, beside: Vec<FieldError>) -> Problem {
    match rejection {
        None => Problem::wrong_fields(beside),
        Some(Rejection::Malformed(detail)) => Problem::bad_request(detail, beside),
        Some(Rejection::Fields(fields)) => Problem::wrong_fields(fields.into_iter().chain(beside)),
    }
}

/// What is no UUID names no job.
pub(crate) fn read_id(id: Result<Path<String>, PathRejection>) -> Result<JobId, Problem> {
    id.ok().and_then(|Path(id)| id.parse().ok()).map(JobId).ok_or_else(Problem::not_found)
}

/// The body did not come in whole: too large, or the connection broke.
fn unread(rejection: &BytesRejection) -> Problem {
    let detail = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        format!("The body is larger than {LARGEST_BODY} bytes.")
    } else {
        "The body could not be read to its end.".to_owned()
    };
    Problem::new(rejection.status(), detail)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_media_type() {
        for (text, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/cloudevents+json", true),
            ("text/json", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, text.parse().unwrap())]);
            assert_eq!(is_json(&headers), expected, "{text}");
        }
    }
}

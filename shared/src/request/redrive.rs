//! The request to retry many dead letters at once, parsed into a valid one or into all its field errors.
//! It never decides which jobs those are; `store::list` does. Neighbour: `request::fields` reads single fields.

use super::fields::{Fields, read_object};
use super::{FieldError, Rejection};
use crate::clock::Timestamp;
use crate::job::Status;

const KNOWN: [&str; 5] = ["status", "from", "to", "dryRun", "cursor"];

/// The dead letters planned from `from` (inclusive) to `to` (exclusive), from where the call before ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedriveRequest {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub dry_run: bool,
    pub cursor: Option<String>,
}

/// Reads it. `status` must be there and be `DeadLetter`: the client says what it is about to touch.
///
/// # Errors
/// See [`Rejection`].
pub fn parse_redrive(body: &[u8]) -> Result<RedriveRequest, Rejection> {
    let entries = read_object(body).map_err(Rejection::Malformed)?;
    let mut fields = Fields::new(entries, "this request", &KNOWN);
    if fields.has("status") {
        let only = Status::DeadLetter.as_str();
        fields.text("status", |status| status == only, "DeadLetter: other jobs are not retried");
    } else {
        fields.refuse("status", "is required");
    }
    let request = RedriveRequest {
        from: fields.instant("from"),
        to: fields.instant("to"),
        dry_run: fields.boolean("dryRun").unwrap_or(false),
        cursor: fields.text("cursor", |_| true, "a text"),
    };
    let errors: Vec<FieldError> = fields.finish();
    if errors.is_empty() { Ok(request) } else { Err(Rejection::Fields(errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_instant;

    #[test]
    fn all_wrong_fields_are_named_at_once() {
        for (body, expected) in [
            (r#"{}"#, &["/status"] as &[&str]),
            (r#"{"status":null}"#, &["/status"]),
            (
                r#"{"status":"Done","from":"x","to":1,"dryRun":"yes","cursor":2}"#,
                &["/status", "/from", "/to", "/dryRun", "/cursor"],
            ),
            (r#"{"status":"DeadLetter","dryrun":true}"#, &["/dryrun"]),
            (r#"{"status":"DeadLetter","status":"DeadLetter"}"#, &["/status"]),
        ] {
            let Err(Rejection::Fields(errors)) = parse_redrive(body.as_bytes()) else { panic!("{body}") };
            assert_eq!(errors.iter().map(|e| e.pointer.as_str()).collect::<Vec<_>>(), expected, "{body}");
        }
        assert!(matches!(parse_redrive(b"[]"), Err(Rejection::Malformed(_))));
    }

    #[test]
    fn a_range_is_read_and_a_dry_run_is_asked_for() {
        let body = br#"{"status":"DeadLetter","from":"2026-01-01T00:00:00Z","to":null,"dryRun":true,"cursor":"c"}"#;
        let from = parse_instant("2026-01-01T00:00:00Z");
        let expected = RedriveRequest { from, to: None, dry_run: true, cursor: Some("c".to_owned()) };
        assert_eq!(parse_redrive(body), Ok(expected));
        assert!(!parse_redrive(br#"{"status":"DeadLetter"}"#).unwrap().dry_run);
    }
}

//! The request to retry many dead letters at once, parsed into a valid one or into all its field errors.
//! It never decides which jobs those are; `store::list` does. Neighbour: `request::fields` reads single fields.

use super::Rejection;
use super::fields::{Fields, read_object};
use crate::cursor;
use crate::ids::TenantId;
use crate::job::Status;
use crate::store::{ListQuery, Order};

const KNOWN: [&str; 5] = ["status", "from", "to", "dryRun", "cursor"];

/// What to retry, or only to count.
#[derive(Clone, Debug)]
pub struct RedriveRequest {
    /// The dead letters planned from `from` (inclusive) to `to` (exclusive), from where the call before ended.
    pub list: ListQuery,
    pub dry_run: bool,
}

/// Reads it, for one tenant and at most so many jobs. `status` must be there and be `DeadLetter`: the client says what it
/// is about to touch.
///
/// # Errors
/// See [`Rejection`].
pub fn parse_redrive(body: &[u8], tenant: TenantId, limit: usize) -> Result<RedriveRequest, Rejection> {
    let entries = read_object(body).map_err(Rejection::Malformed)?;
    let mut fields = Fields::new(entries, "this request", &KNOWN);
    if fields.has("status") {
        let only = Status::DeadLetter.as_str();
        fields.text("status", |status| status == only, "DeadLetter: other jobs are not retried");
    } else {
        fields.refuse("status", "is required");
    }
    let mut list = ListQuery {
        tenant,
        status: Some(Status::DeadLetter),
        series: None,
        from: fields.instant("from"),
        to: fields.instant("to"),
        limit,
        // What fails again lies behind the cursor, so that the walk comes to an end.
        order: Order::Ascending,
        after: None,
    };
    let dry_run = fields.boolean("dryRun").unwrap_or(false);
    let page = fields.text("cursor", cursor::is_cursor, "a cursor of a retry with this range");
    // It may be right for the range that was meant; the others are the same for every cursor.
    if let Some(page) = page.filter(|_| fields.are_right_but_for(|name| ["status", "dryRun"].contains(&name))) {
        list.after = cursor::decode(&list, &page);
        if list.after.is_none() {
            fields.refuse("cursor", "must be a cursor of a retry with this range");
        }
    }
    match fields.finish() {
        errors if errors.is_empty() => Ok(RedriveRequest { list, dry_run }),
        errors => Err(Rejection::Fields(errors)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_instant;
    use crate::store::Position;

    fn parse(body: &str) -> Result<RedriveRequest, Rejection> {
        parse_redrive(body.as_bytes(), TenantId::parse("t").unwrap(), 200)
    }

    fn position() -> Position {
        Position("2026-01-01T00:00:00.000Z#6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned())
    }

    /// The cursor that a call with this range answers.
    fn cursor_of(range: &str) -> String {
        let request = parse(&format!(r#"{{{range}"status":"DeadLetter"}}"#)).unwrap();
        cursor::encode(&request.list, &position())
    }

    #[test]
    fn all_wrong_fields_are_named_at_once() {
        let cursor = cursor_of(r#""from":"2026-01-01T00:00:00Z","#);
        for (body, expected) in [
            (r#"{}"#, &["/status"] as &[&str]),
            (r#"{"status":null}"#, &["/status"]),
            (
                r#"{"status":"Done","from":"x","to":1,"dryRun":"yes","cursor":2}"#,
                &["/status", "/from", "/to", "/dryRun", "/cursor"],
            ),
            (r#"{"status":"DeadLetter","dryrun":true}"#, &["/dryrun"]),
            (r#"{"status":"DeadLetter","status":"DeadLetter"}"#, &["/status"]),
            (r#"{"cursor":"AAAA","from":"x"}"#, &["/status", "/from", "/cursor"]),
            (r#"{"cursor":"CURSOR","dryRun":1}"#, &["/status", "/dryRun", "/cursor"]),
            // It may be right for the range that was meant.
            (r#"{"cursor":"CURSOR","from":"2026-01-01T00:00:00Z"}"#, &["/status"]),
            (r#"{"status":"DeadLetter","cursor":"CURSOR","from":"x"}"#, &["/from"]),
            (r#"{"status":"DeadLetter","cursor":"CURSOR","form":"2026-01-01T00:00:00Z"}"#, &["/form"]),
        ] {
            let Err(Rejection::Fields(errors)) = parse(&body.replace("CURSOR", &cursor)) else { panic!("{body}") };
            assert_eq!(errors.iter().map(|e| e.pointer.as_str()).collect::<Vec<_>>(), expected, "{body}");
        }
        assert!(matches!(parse("[]"), Err(Rejection::Malformed(_))));
    }

    #[test]
    fn a_range_is_read_and_a_dry_run_is_asked_for() {
        let request =
            parse(r#"{"status":"DeadLetter","from":"2026-01-01T00:00:00Z","to":null,"dryRun":true}"#).unwrap();
        assert_eq!((request.list.from, request.list.to), (parse_instant("2026-01-01T00:00:00Z"), None));
        assert_eq!((request.list.status, request.list.limit), (Some(Status::DeadLetter), 200));
        assert!(request.dry_run);
        let request = parse(&format!(r#"{{"status":"DeadLetter","cursor":"{}"}}"#, cursor_of(""))).unwrap();
        assert_eq!((request.list.after, request.dry_run), (Some(position()), false));
    }
}

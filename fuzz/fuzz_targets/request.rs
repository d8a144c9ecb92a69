//! Any bytes as the body of a create request: the parser says what is wrong or makes a job that keeps the rules.
//! It never stores anything. Neighbours: `shared::request`, and the properties beside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::clock::Timestamp;
use shared::request::{Rejection, Rules, is_reserved_header, parse};
use url::Url;

const PREFIX: &str = "Contit-";

fuzz_target!(|body: &[u8]| {
    let rules = Rules::with_prefix(PREFIX);
    let now = Timestamp::default();
    let job = match parse(body, now, &rules) {
        Ok(job) => job,
        Err(Rejection::Malformed(problem)) => return assert!(!problem.is_empty()),
        Err(Rejection::Fields(errors)) => {
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|error| error.pointer.starts_with('/') && !error.detail.is_empty()));
            return;
        }
    };
    let callback = &job.spec.callback;
    let url = Url::parse(&callback.url).expect("a job's URL is one");
    assert!(rules.guard.check_url(&url).is_ok(), "{url}");
    for (name, value) in &callback.headers {
        assert!(!is_reserved_header(name, PREFIX), "{name}");
        assert!(!format!("{name}{value}").contains(['\r', '\n', '\0']), "{name}: {value}");
    }
    if let Some(payload) = &callback.payload {
        let payload = payload.text().expect("a new job has its payload with it");
        assert!(body.windows(payload.len()).any(|part| part == payload.as_bytes()), "byte for byte");
        assert!(serde_json::from_str::<&serde_json::value::RawValue>(payload).is_ok(), "{payload}");
    }
    assert!((1..=60).contains(&callback.timeout.as_secs()));
    assert!((1..=100).contains(&job.spec.max_retries));
    if let Some(schedule) = &job.spec.schedule {
        assert!(schedule.end_at.is_none_or(|end| job.planned_at <= end));
        // However strange the schedule, the occurrence after this one is found or there is none.
        assert!(schedule.next(job.planned_at, 1, now).is_none_or(|next| next > job.planned_at));
    }
});

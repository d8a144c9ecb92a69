//! CONTRACT §3, the lists: filters, order, and that every way of paging returns each job exactly once.
//! It never sends a bad query; `bad_input` does. Neighbour: `auth` has the lists of two tenants.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::{Answer, id};
use crate::support::receiver::{answer, stall};

/// The bytes that Lambda answers at most. The body stands in them as a string in JSON.
const LARGEST_ANSWER: usize = 6_291_556;

/// How a list is narrowed and ordered, and what it then holds.
struct Filter {
    query: String,
    matches: Box<dyn Fn(&Value) -> bool>,
}

fn filter(query: &str, matches: impl Fn(&Value) -> bool + 'static) -> Filter {
    Filter { query: query.to_owned(), matches: Box::new(matches) }
}

fn planned(job: &Value) -> &str {
    job["fireAtUtc"].as_str().unwrap()
}

/// Jobs in all five statuses, several planned for the same instant. The one that is being fired stays so for as long
/// as the clock stands still: the program that fired it is dead.
async fn a_full_list() -> App {
    let mut app = App::dev().on_disk().now("2026-03-28T12:00:00Z").start().await;
    app.receiver.script("/slow", [stall(), answer(200)]);
    app.receiver.script("/down", [answer(500)]);
    let url = |path| app.receiver.url(path);
    for n in 0..4 {
        app.post_job(a_job().to(&url("/ok")).in_seconds(n / 2)).await.created();
        app.post_job(a_job().to(&url("/down")).attempts(1).in_seconds(n / 2)).await.created();
        app.post_job(a_job().to(&url("/later")).in_seconds(3600 * (n / 3 + 1))).await.created();
        let cancelled = app.post_job(a_job().to(&url("/never")).in_seconds(1800 * n)).await.created();
        app.cancel(id(&cancelled)).await.ok();
    }
    app.post_job(a_job().to(&url("/series")).every(3600).times(2)).await.created();
    app.advance_to("2026-03-28T12:05:00Z").await;
    app.post_job(a_job().to(&url("/slow")).in_seconds(1)).await.created();
    let walk = app.request(http::Method::PUT, "/dev/clock").body(r#"{"nowUtc":"2026-03-28T12:06:00Z"}"#);
    let walk = tokio::spawn(walk.send());
    app.receiver.wait_for("/slow", 1).await;
    app.kill9().await;
    walk.abort();
    app.restart_at("2026-03-28T12:06:00Z").await;
    app
}

/// All items of a list, page by page, none of which is empty, too long, or short before the last.
async fn walk(app: &App, query: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/scheduled-jobs?{query}&limit={limit}{cursor}")).await.ok();
        let found = page["items"].as_array().unwrap();
        items.extend(found.iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else {
            assert!(page["nextCursor"].is_null() && found.len() <= limit, "{page}");
            return items;
        };
        assert_eq!(found.len(), limit, "{query} by {limit}");
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn every_page_size_with_and_without_filters_returns_each_job_exactly_once() {
    let app = a_full_list().await;
    let all = app.all_pages("limit=200").await;
    let mut statuses: Vec<_> = all.iter().map(|job| job["status"].as_str().unwrap()).collect();
    statuses.sort_unstable();
    let expected = [("Cancelled", 4), ("DeadLetter", 4), ("Done", 5), ("Firing", 1), ("Pending", 5)];
    assert_eq!(statuses, expected.map(|(status, count)| vec![status; count]).concat());

    let (one, noon) = ("2026-03-28T13:00:00.000Z", "2026-03-28T12:00:00.000Z");
    let mut filters = vec![
        filter("order=desc", |_| true),
        filter("order=asc", |_| true),
        filter("from=2026-03-28T13:00:00Z", move |job| planned(job) >= one),
        filter("to=2026-03-28T13:00:00Z", move |job| planned(job) < one),
        filter("from=2026-03-28T13:00:00%2B01:00&to=2026-03-28T12:00:00.001Z", move |job| planned(job) == noon),
        filter("from=2026-03-28T13:00:00Z&to=2026-03-28T13:00:00Z", |_| false),
        filter("from=2026-03-28T14:00:00Z&to=2026-03-28T12:00:00Z", |_| false),
        filter("status=Done&from=2026-03-28T12:00:01Z&order=asc", |job| {
            job["status"] == "Done" && planned(job) >= "2026-03-28T12:00:01.000Z"
        }),
        filter("status=Cancelled&to=2026-03-28T13:00:00Z", move |job| {
            job["status"] == "Cancelled" && planned(job) < one
        }),
    ];
    for (status, _) in expected {
        for order in ["asc", "desc"] {
            filters.push(filter(&format!("status={status}&order={order}"), move |job| job["status"] == status));
        }
    }
    for Filter { query, matches } in filters {
        let mut expected: Vec<Value> = all.iter().filter(|job| matches(job)).cloned().collect();
        expected.sort_by_key(|job| (planned(job).to_owned(), id(job).to_owned()));
        if !query.contains("order=asc") {
            expected.reverse();
        }
        for limit in (1..=expected.len() + 1).chain([200]) {
            assert_eq!(walk(&app, &query, limit).await, expected, "{query} by {limit}");
        }
    }
    app.check().await;
}

#[tokio::test]
async fn a_cursor_is_bound_to_its_filters_but_not_to_the_page_size() {
    let app = a_full_list().await;
    let bounds = "from=2026-03-28T12:00:00Z&to=2026-03-29T00:00:00Z";
    let first = app.get(&format!("/scheduled-jobs?status=Pending&order=asc&{bounds}&limit=1")).await.ok();
    let cursor = first["nextCursor"].as_str().unwrap();
    let with_cursor = async |query: &str| app.get(&format!("/scheduled-jobs?{query}&cursor={cursor}")).await;
    for same in [
        format!("status=Pending&order=asc&{bounds}"),
        format!("order=asc&{bounds}&status=Pending&limit=200"),
        "from=2026-03-28T13:00:00%2B01:00&to=2026-03-28T24:00:00Z&order=asc&status=Pending"
            .replace("2026-03-28T24", "2026-03-29T00"),
    ] {
        let rest = with_cursor(&same).await.ok();
        assert_eq!(rest["items"].as_array().unwrap().len(), 4, "{same}");
    }
    for other in [
        format!("order=asc&{bounds}"),
        format!("status=Done&order=asc&{bounds}"),
        format!("status=Pending&order=desc&{bounds}"),
        format!("status=Pending&{bounds}"),
        "status=Pending&order=asc&from=2026-03-28T12:00:00Z".to_owned(),
        "status=Pending&order=asc&from=2026-03-28T12:00:00.001Z&to=2026-03-29T00:00:00Z".to_owned(),
        "status=Pending&order=asc".to_owned(),
    ] {
        assert_eq!(with_cursor(&other).await.problem(400).pointers(), ["/cursor"], "{other}");
    }
    for broken in [&cursor[1..], &cursor[..cursor.len() - 1], &cursor.to_lowercase(), &format!("{cursor}A")] {
        let path = format!("/scheduled-jobs?status=Pending&order=asc&{bounds}&cursor={broken}");
        assert_eq!(app.get(&path).await.problem(400).pointers(), ["/cursor"], "{broken}");
    }
    app.check().await;
}

#[tokio::test]
async fn a_page_holds_fifty_jobs_the_latest_planned_first() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    for n in 0..51 {
        app.post_job(a_job().in_seconds(n)).await.created();
    }
    let page = app.get("/scheduled-jobs").await.ok();
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 50);
    assert!(items.windows(2).all(|pair| planned(&pair[0]) > planned(&pair[1])));
    assert_eq!(planned(&items[0]), "2026-03-28T12:00:50.000Z");
    let last = app.get(&format!("/scheduled-jobs?cursor={}", page["nextCursor"].as_str().unwrap())).await.ok();
    assert_eq!((last["items"].as_array().unwrap().len(), &last["nextCursor"]), (1, &Value::Null));
    let fields: BTreeSet<&String> = page.as_object().unwrap().keys().collect();
    assert_eq!(fields, BTreeSet::from([&"items".to_owned(), &"nextCursor".to_owned()]));
    app.check().await;
}

/// The body as it stands in an answer of Lambda's, with room for the headers.
fn fits_into_an_answer(answer: &Answer) -> bool {
    Value::from(answer.text.as_str()).to_string().len() + 8_192 < LARGEST_ANSWER
}

#[tokio::test]
async fn no_page_is_larger_than_lambda_can_answer_and_none_is_empty() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let most = 256 << 10;
    // Each of the largest size there is; and what of it has to be escaped, which Lambda does once more.
    let payloads = [json!(vec![""; (most - 1) / 3]), Value::from("\\".repeat(most / 2 - 1))];
    let quotes = "\"".repeat(8_000);
    let mut posted = Vec::new();
    for n in 0..20 {
        let job = a_job().in_seconds(n).header("X-Quotes", &quotes).payload(payloads[n % 2].clone());
        posted.push(id(&app.post_job(job).await.created()).to_owned());
    }
    for job in &posted[..2] {
        let detail = app.get(&format!("/scheduled-jobs/{job}")).await;
        assert!(detail.ok()["payload"].to_string().len() == most && fits_into_an_answer(&detail));
    }
    let (mut listed, mut after) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/scheduled-jobs?limit=200&order=asc{after}")).await;
        let items = page.ok()["items"].as_array().unwrap().clone();
        assert!(!items.is_empty() && fits_into_an_answer(&page), "{} jobs in {} bytes", items.len(), page.text.len());
        listed.extend(items.iter().map(|job| id(job).to_owned()));
        let Some(next) = page.body["nextCursor"].as_str() else { break };
        after = format!("&cursor={next}");
    }
    assert_eq!(listed, posted);
}

#[tokio::test]
async fn a_list_of_nothing_is_an_empty_page() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let answer = app.get("/scheduled-jobs").await;
    assert_eq!(answer.ok(), json!({ "items": [], "nextCursor": null }));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn only_the_detail_of_a_job_has_its_attempts() {
    let app = a_full_list().await;
    let all = app.all_pages("limit=200").await;
    assert!(all.iter().all(|job| job.get("attemptLog").is_none()));
    for mut job in all {
        let mut detail = app.job(id(&job)).await;
        let log = detail.as_object_mut().unwrap().remove("attemptLog").unwrap();
        let settled = job["attempts"].as_u64().unwrap() - u64::from(job["status"] == "Firing");
        assert_eq!(log.as_array().unwrap().len() as u64, settled, "{job}");
        assert_eq!(detail.take(), job.take());
    }
    app.check().await;
}

#[tokio::test]
async fn the_health_and_the_document_are_open_to_all() {
    let app = App::at("2026-03-28T12:00:00Z").await;
    let anyone = app.without_token();
    anyone.get("/healthz").await.ok();
    let document = anyone.get("/openapi.json").await;
    let version = document.ok()["openapi"].as_str().unwrap().to_owned();
    assert!(version.starts_with("3.1"), "{version}");
    assert_eq!(document.header("content-type"), Some("application/json"));
    let paths: Vec<_> = document.body["paths"].as_object().unwrap().keys().collect();
    let expected = [
        "/healthz",
        "/openapi.json",
        "/scheduled-jobs",
        "/scheduled-jobs/preview",
        "/scheduled-jobs/retry",
        "/scheduled-jobs/{id}",
        "/scheduled-jobs/{id}/retry",
        "/scheduled-jobs/{id}/run-now",
        "/stats",
        "/stats/jobs",
        "/stats/upcoming",
        "/whoami",
    ];
    assert_eq!(paths, expected);
}

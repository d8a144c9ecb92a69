//! Two tenants on one deployment who try everything on each other: tokens, ids, cursors, keys.
//! It never asks for a right answer only: what is foreign must look like what does not exist, to the byte.
//! Neighbours: `limits` shares out what they may do, `support::invariants` looks at what each got to see.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::chaos_proxy::ChaosProxy;
use crate::support::conversation::{Answer, Conversation, id};
use crate::support::stores::{Store, StoreKind};

const NOON: &str = "2026-03-28T12:00:00Z";
const UNKNOWN: &str = "/scheduled-jobs/6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/// All that can be asked about one job.
const ON_ONE_JOB: [(Method, &str); 4] =
    [(Method::GET, ""), (Method::DELETE, ""), (Method::POST, "/retry"), (Method::POST, "/run-now")];

/// The whole answer, but for what differs from one request to the next.
fn apart_from_its_id(answer: &Answer) -> (u16, BTreeMap<String, String>, String) {
    let request = answer.header("x-request-id").expect("every answer names its request");
    let varies = ["x-request-id", "date"];
    let headers = answer.headers.iter().filter(|(name, _)| !varies.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status, headers, answer.text.replace(request, "{id}"))
}

async fn ids_of_new_jobs(client: &Conversation, count: usize) -> Vec<String> {
    let job = |n: usize| a_job().in_seconds(3_600 + n as u64).key("the-same-for-all");
    let created = join_all((0..count).map(|n| client.post_job(job(n)))).await;
    created.iter().map(|answer| id(&answer.created()).to_owned()).collect()
}

fn ids_in(items: &[Value]) -> BTreeSet<String> {
    items.iter().map(|job| id(job).to_owned()).collect()
}

#[tokio::test]
async fn two_tenants_who_hammer_each_others_ids_find_nothing() {
    let app = App::at(NOON).await;
    let tenants = [&*app, &app.with_token(&app.token("other", &["read", "write"]).await)];
    let own = [ids_of_new_jobs(tenants[0], 12).await, ids_of_new_jobs(tenants[1], 12).await];
    let mut unknown = Vec::new();
    for (method, what) in ON_ONE_JOB {
        let answer = tenants[0].send(tenants[0].request(method, &format!("{UNKNOWN}{what}"))).await;
        answer.problem(404);
        unknown.push(apart_from_its_id(&answer));
    }

    let hammering = async |me: usize| {
        let (client, foreign) = (tenants[me], &own[1 - me]);
        join_all(foreign.iter().map(async |id| {
            let path = format!("/scheduled-jobs/{id}");
            let wild = path.to_uppercase().replace("SCHEDULED-JOBS", "scheduled-jobs");
            for path in [&path, &wild] {
                for ((method, what), unknown) in ON_ONE_JOB.iter().zip(&unknown) {
                    let answer = client.send(client.request(method.clone(), &format!("{path}{what}"))).await;
                    assert_eq!(apart_from_its_id(&answer), *unknown, "{method} {path}{what}");
                }
            }
        }))
        .await;
    };
    let living = async |me: usize| {
        let client = tenants[me];
        for (n, id) in own[me].iter().enumerate() {
            client.job(id).await;
            if n % 3 == 0 {
                client.cancel(id).await.ok();
            }
            let listed = ids_in(&client.all_pages("limit=5").await);
            assert_eq!(listed, own[me].iter().cloned().collect());
        }
    };
    tokio::join!(hammering(0), hammering(1), living(0), living(1));

    for (me, client) in tenants.iter().enumerate() {
        for (n, id) in own[me].iter().enumerate() {
            let expected = if n % 3 == 0 { "Cancelled" } else { "Pending" };
            assert_eq!(client.job(id).await["status"], expected);
        }
    }
    app.check().await;
}

/// An answer takes as long as what the store is asked for it: for a foreign job that is no more and nothing else
/// than for one that does not exist.
#[tokio::test]
async fn the_store_is_asked_the_same_about_a_foreign_job_and_about_none() {
    let store = Store::start(StoreKind::Embedded).await;
    let proxy = ChaosProxy::before(store.endpoint()).await;
    let app = App::dev().now(NOON).on_through(&store, &proxy.url()).start().await;
    let other = app.with_token(&app.token("other", &["read", "write"]).await);
    other.get(UNKNOWN).await.problem(404);
    let large = a_job().in_seconds(3_600).payload("x".repeat(5_000).into());
    let foreign = id(&app.post_job(large).await.created()).to_owned();
    for (method, what) in ON_ONE_JOB {
        let mut asked = Vec::new();
        for path in [format!("/scheduled-jobs/{foreign}{what}"), format!("{UNKNOWN}{what}")] {
            let before = proxy.seen().len();
            other.send(other.request(method.clone(), &path)).await.problem(404);
            let about_jobs =
                proxy.seen().into_iter().skip(before).filter(|seen| seen.body["TableName"] == *app.jobs_table());
            let operations = about_jobs.map(|seen| seen.operation);
            asked.push(operations.collect::<Vec<_>>());
        }
        assert!(!asked[0].is_empty() && asked[0] == asked[1], "{method} {what}: {asked:?}");
    }
    app.check().await;
}

/// The index of series does not know whose one is, so the first items are read to tell: no more of them, and no payload.
#[tokio::test]
async fn a_foreign_series_looks_like_none_and_is_not_walked() {
    let store = Store::start(StoreKind::Embedded).await;
    let proxy = ChaosProxy::before(store.endpoint()).await;
    let app = App::dev().now(NOON).on_through(&store, &proxy.url()).start().await;
    let other = app.with_token(&app.token("other", &["read", "write"]).await);
    let job = a_job().to(&app.receiver.url("/hook")).every(60).times(12).payload("x".repeat(5_000).into());
    let series = id(&app.post_job(job).await.created()).to_owned();
    app.advance_to("2026-03-28T12:10:00Z").await;
    let listed = app.all_pages(&format!("seriesId={series}&limit=2")).await;
    assert!(listed.len() > 8 && listed.iter().all(|job| job["payload"].is_string()), "{listed:?}");

    let unknown = UNKNOWN.rsplit('/').next().unwrap();
    for rest in ["", "&order=asc", "&status=Done", "&from=2026-03-28T12:05:00Z"] {
        let ask = async |series: &str| {
            let before = proxy.seen().len();
            let answer = other.get(&format!("/scheduled-jobs?seriesId={series}&limit=2{rest}")).await;
            let seen = proxy.seen().into_iter().skip(before);
            let about_jobs = seen.filter(|seen| seen.body.to_string().contains(app.jobs_table()));
            (answer, about_jobs.map(|seen| seen.operation).collect::<Vec<_>>())
        };
        let (none, asked) = ask(unknown).await;
        assert_eq!(none.ok(), json!({ "items": [], "nextCursor": null }));
        assert_eq!(asked, ["Query"]);
        let (foreign, asked) = ask(&series).await;
        assert_eq!(apart_from_its_id(&foreign), apart_from_its_id(&none), "{rest}");
        assert_eq!(asked, ["Query", "BatchGetItem"], "{rest}");
    }
    app.check().await;
}

#[tokio::test]
async fn the_same_request_key_of_two_tenants_makes_two_jobs() {
    let app = App::at(NOON).await;
    let other = app.with_token(&app.token("other", &["read", "write"]).await);
    let post = async |client: &Conversation, seconds: u32| {
        let request = client.request(Method::POST, "/scheduled-jobs").header("Idempotency-Key", "shared");
        let body = Value::from(a_job().in_seconds(seconds)).to_string();
        client.send(request.header("content-type", "application/json").body(body)).await
    };
    let first = post(&app, 60).await.created();
    let second = post(&other, 90).await.created();
    assert_ne!(first["id"], second["id"]);
    post(&other, 60).await.problem(409);
    app.check().await;
}

#[tokio::test]
async fn tokens_that_do_not_count_are_all_refused_alike() {
    let app = App::at("2999-06-01T00:00:00Z").await;
    let expired = app.token_until("acme", &["read", "write"], Some("2999-01-01T00:00:00Z")).await;
    let revoked = app.token("acme", &["read", "write"]).await;
    app.revoke(&revoked).await;
    let valid = app.token("acme", &["read", "write"]).await;
    let wrong_secret = format!("{}{}", &valid[..valid.len() - 4], "AAAA");
    let never_made = "sch_AAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let nothing_like_it = "eyJhbGciOiJub25lIn0.eyJ0ZW5hbnQiOiJhY21lIn0.".to_owned();
    let (prefix, huge) = (valid[..12].to_owned(), "x".repeat(6_000));
    app.with_token(&valid).get("/scheduled-jobs").await.ok();
    for (method, path) in
        [("GET", "/scheduled-jobs"), ("GET", UNKNOWN), ("DELETE", UNKNOWN), ("POST", "/scheduled-jobs")]
    {
        let ask = async |token: &str| {
            let client = app.with_token(token);
            let request = client.request(method.parse().unwrap(), path).header("content-type", "application/json");
            client.send(request.body("{}")).await
        };
        let first = ask(&never_made).await;
        assert_eq!(first.problem(401).header("www-authenticate"), Some("Bearer"));
        for token in [&expired, &revoked, &wrong_secret, &nothing_like_it, &prefix, &huge] {
            assert_eq!(apart_from_its_id(&ask(token).await), apart_from_its_id(&first), "{method} {path} {token}");
        }
    }
}

#[tokio::test]
async fn without_the_scope_a_job_looks_the_same_whether_it_exists_or_not() {
    let app = App::at(NOON).await;
    let [mine] = ids_of_new_jobs(&app, 1).await.try_into().unwrap();
    let writer = app.with_token(&app.token("dev", &["write"]).await);
    let reader = app.with_token(&app.token("dev", &["read"]).await);
    let mine = format!("/scheduled-jobs/{mine}");
    let (known, unknown) = (writer.get(&mine).await, writer.get(UNKNOWN).await);
    known.problem(403);
    assert_eq!(apart_from_its_id(&known), apart_from_its_id(&unknown));
    let (known, unknown) = (reader.delete(&mine).await, reader.delete(UNKNOWN).await);
    known.problem(403);
    assert_eq!(apart_from_its_id(&known), apart_from_its_id(&unknown));
}

#[tokio::test]
async fn a_cursor_gives_nobody_more_than_their_token_does() {
    let app = App::at(NOON).await;
    let other = app.with_token(&app.token("other", &["read", "write"]).await);
    let own: BTreeSet<_> = ids_of_new_jobs(&app, 5).await.into_iter().collect();
    ids_of_new_jobs(&other, 5).await;
    let list = "/scheduled-jobs?limit=2";
    let next = async |client: &Conversation, query: &str| {
        client.get(&format!("{list}{query}")).await.ok()["nextCursor"].as_str().unwrap().to_owned()
    };
    let (mine, theirs) = (next(&app, "").await, next(&other, "").await);

    // Foreign, and replayed on another list.
    app.get(&format!("{list}&cursor={theirs}")).await.problem(400);
    for filter in ["&status=Pending", "&order=asc", "&from=2026-01-01T00:00:00Z", "&to=2027-01-01T00:00:00Z"] {
        app.get(&format!("{list}{filter}&cursor={mine}")).await.problem(400);
        let filtered = next(&app, filter).await;
        app.get(&format!("{list}&cursor={filtered}")).await.problem(400);
    }

    // Cut, changed bit by bit, and put together from parts.
    let mut forged: Vec<String> = (0..mine.len()).map(|length| mine[..length].to_owned()).collect();
    let (bytes, foreign) = (URL_SAFE_NO_PAD.decode(&mine).unwrap(), URL_SAFE_NO_PAD.decode(&theirs).unwrap());
    for position in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[position / 8] ^= 1 << (position % 8);
        forged.push(URL_SAFE_NO_PAD.encode(changed));
    }
    let fingerprint = 8;
    forged.push(URL_SAFE_NO_PAD.encode([&bytes[..fingerprint], &foreign[fingerprint..]].concat()));
    forged.push(URL_SAFE_NO_PAD.encode([&foreign[..fingerprint], &bytes[fingerprint..]].concat()));
    forged.extend(["%00", "%ff%fe", "null", "..%2F..", "'%20OR%201=1", &"A".repeat(7_000)].map(str::to_owned));
    let ask = async |cursor: &String| app.get(&format!("{list}&cursor={cursor}")).await;
    let answers = join_all(forged.iter().map(ask)).await;
    let mut accepted = 0;
    for (answer, cursor) in answers.iter().zip(&forged) {
        if answer.status == 200 {
            accepted += 1;
            let seen = ids_in(answer.body["items"].as_array().unwrap());
            assert!(seen.is_subset(&own), "{cursor}: {answer:?}");
        } else {
            answer.problem(400);
        }
    }
    assert!(accepted > 0, "a position that was moved is still one's own list");
    app.check().await;
}

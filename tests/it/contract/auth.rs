//! CONTRACT §2, authentication: how a token is presented, its scopes, its end, how it is kept; and §1, isolation.
//! Tokens are made, listed and revoked with `scheduler token`. It never checks what a job is; `create` does.

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::{Answer, Conversation, id};

/// Far enough ahead that no token made by the system's clock has expired by this one.
const START: &str = "2090-06-01T12:00:00Z";
const UNKNOWN: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

async fn presenting(app: &App, header: &str, value: &str) -> Answer {
    app.send(app.without_token().request(Method::GET, "/scheduled-jobs").header(header, value)).await
}

/// The endpoints that need a token, with the scope that they need.
fn endpoints(job: &str) -> [(Method, String, &'static str); 4] {
    [
        (Method::GET, "/scheduled-jobs".to_owned(), "read"),
        (Method::GET, format!("/scheduled-jobs/{job}"), "read"),
        (Method::POST, "/scheduled-jobs".to_owned(), "write"),
        (Method::DELETE, format!("/scheduled-jobs/{job}"), "write"),
    ]
}

async fn ask(client: &Conversation, method: &Method, path: &str) -> Answer {
    let request = client.request(method.clone(), path).header("content-type", "application/json");
    client.send(request.body(Value::from(a_job().in_seconds(3600)).to_string())).await
}

#[tokio::test]
async fn a_bearer_token_and_an_api_key_are_the_same_thing() {
    let app = App::at(START).await;
    let token = app.token("acme", &["read"]).await;
    for (header, value) in [
        ("Authorization", format!("Bearer {token}")),
        ("authorization", format!("bearer {token}")),
        ("X-Api-Key", token.clone()),
        ("x-api-key", token.clone()),
    ] {
        presenting(&app, header, &value).await.ok();
    }
    for (header, value) in [
        ("Authorization", token.clone()),
        ("Authorization", format!("Basic {token}")),
        ("Authorization", "Bearer".to_owned()),
        ("Authorization", "Bearer ".to_owned()),
        ("X-Api-Key", format!("Bearer {token}")),
        ("X-Api-Key", String::new()),
        ("Api-Key", token.clone()),
    ] {
        presenting(&app, header, &value).await.problem(401);
    }
    app.get(&format!("/scheduled-jobs?access_token={token}")).await.problem(400);
}

#[tokio::test]
async fn each_endpoint_asks_for_its_own_scope_and_write_is_not_read() {
    let app = App::at(START).await;
    let both = app.with_token(&app.token("acme", &["read", "write"]).await);
    for (granted, client) in [
        ("read", app.with_token(&app.token("acme", &["read"]).await)),
        ("write", app.with_token(&app.token("acme", &["write"]).await)),
        ("read write", both.clone()),
    ] {
        let job = both.post_job(a_job().in_seconds(3600)).await.created();
        for (method, path, needed) in endpoints(id(&job)) {
            let answer = ask(&client, &method, &path).await;
            if granted.contains(needed) {
                answer.has_status(if method == Method::POST { 201 } else { 200 });
            } else {
                answer.problem(403);
                assert!(answer.body["detail"].as_str().unwrap().contains(needed), "{answer:?}");
                assert_eq!(answer.header("www-authenticate"), None);
            }
        }
        let stands = if granted.contains("write") { "Cancelled" } else { "Pending" };
        assert_eq!(both.job(id(&job)).await["status"], stands, "with {granted}");
    }
    assert_eq!(both.all_pages("").await.len(), 3 + 2, "what was refused made no job");
    app.check().await;
}

#[tokio::test]
async fn any_valid_token_may_ask_whose_it_is_and_what_it_may_do() {
    let app = App::at(START).await;
    for scopes in [["read"].as_slice(), &["write"], &["read", "write"], &["write", "read"]] {
        let client = app.with_token(&app.token("acme", scopes).await);
        let mut told = scopes.to_vec();
        told.sort_unstable();
        let expected = json!({ "tenant": "acme", "scopes": told, "nowUtc": "2090-06-01T12:00:00.000Z" });
        assert_eq!(client.get("/whoami").await.ok(), expected);
    }
    for stranger in [app.without_token(), app.with_token("nobody")] {
        assert_eq!(stranger.get("/whoami").await.problem(401).header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn without_a_valid_token_there_is_only_a_401_that_says_how() {
    let app = App::at(START).await;
    let token = app.token("acme", &["read", "write"]).await;
    let job = app.with_token(&token).post_job(a_job().in_seconds(3600)).await.created();
    let last = if token.ends_with('A') { "B" } else { "A" };
    let strangers = [
        app.without_token(),
        app.with_token("nobody"),
        app.with_token(&token[..12]),
        app.with_token(&token[..token.len() - 1]),
        app.with_token(&format!("{}{last}", &token[..token.len() - 1])),
        app.with_token(&format!("{token}x")),
        app.with_token(&token.to_uppercase()),
        app.with_token(&"x".repeat(5000)),
    ];
    for stranger in strangers {
        for (method, path, _) in endpoints(id(&job)) {
            let answer = ask(&stranger, &method, &path).await;
            answer.problem(401);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path}");
        }
        // A stranger does not even learn what is wrong with a request, or whether a job exists.
        stranger.post_raw("/scheduled-jobs", "text/plain", "no JSON").await.problem(401);
        stranger.get("/scheduled-jobs/1?x=y").await.problem(401);
        stranger.get("/healthz").await.ok();
        stranger.get("/openapi.json").await.ok();
    }
    assert_eq!(app.with_token(&token).all_pages("").await.len(), 1);
    assert_eq!(app.with_token(&token).job(id(&job)).await["status"], "Pending");
    app.check().await;
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_and_listed_without_its_secret() {
    let app = App::at(START).await;
    let (first, second) = (app.token("acme", &["read"]).await, app.token("acme", &["write", "read"]).await);
    assert_ne!(first, second);
    let items = app.dynamodb().scan().table_name("scheduler-tenants").send().await.unwrap().items.unwrap();
    let stored = format!("{items:?}");
    for token in [&first, &second] {
        let (prefix, secret) = token.split_at(12);
        assert!(!stored.contains(secret) && stored.contains(prefix), "{stored}");
        let hash: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(stored.contains(&hash), "{stored}");
        assert!(!app.output().contains(secret));
    }

    let listed = app.command(&["token", "list", "--tenant", "acme"]).await.succeeded().stdout.clone();
    let [head, a, b] = listed.lines().collect::<Vec<_>>()[..] else { panic!("{listed}") };
    assert!(head.starts_with("PREFIX") && head.contains("REVOKED"));
    assert!(a.starts_with(&first[..12]) && a.contains(" read "), "{a}");
    assert!(b.starts_with(&second[..12]) && b.contains(" read,write "), "{b}");
    assert!(!listed.contains(&first[12..]) && !listed.contains(&second[12..]));
    let all = app.command(&["token", "list"]).await.succeeded().stdout.clone();
    assert_eq!(all.lines().count(), 1 + 2 + 1, "and that of the tenant dev: {all}");
    let nobody = app.command(&["token", "list", "--tenant", "nobody"]).await.succeeded().stdout.clone();
    assert_eq!(nobody.lines().count(), 1, "{nobody}");
}

#[tokio::test]
async fn a_token_ends_at_its_expiry() {
    let app = App::at(START).await;
    let token = app.token_until("acme", &["read"], Some("2090-06-01T13:00:00+01:00")).await;
    let brief = app.token_until("acme", &["read"], Some("2090-06-01T12:00:10Z")).await;
    let past = ["token", "create", "--tenant", "acme", "--scope", "read", "--expires", "2020-01-01T00:00:00Z"];
    app.command(&past).await.failed_saying("past");
    app.with_token(&token).get("/scheduled-jobs").await.problem(401);
    app.with_token(&brief).get("/scheduled-jobs").await.ok();
    app.advance_to("2090-06-01T12:00:09.999Z").await;
    app.with_token(&brief).get("/scheduled-jobs").await.ok();
    app.advance_to("2090-06-01T12:00:10Z").await;
    let answer = app.with_token(&brief).get("/scheduled-jobs").await;
    assert_eq!(answer.problem(401).header("www-authenticate"), Some("Bearer"), "to the instant, remembered or not");
}

#[tokio::test]
async fn a_revoked_token_is_refused_within_a_minute_and_the_others_are_not() {
    let app = App::at(START).await;
    let (revoked, other) = (app.token("acme", &["read", "write"]).await, app.token("acme", &["read"]).await);
    let (client, bystander) = (app.with_token(&revoked), app.with_token(&other));
    let job = client.post_job(a_job().in_seconds(3600)).await.created();
    bystander.get("/scheduled-jobs").await.ok();

    app.revoke(&revoked[..12]).await;
    app.advance_to("2090-06-01T12:01:00Z").await;
    for (method, path, _) in endpoints(id(&job)) {
        let answer = ask(&client, &method, &path).await;
        assert_eq!(answer.problem(401).header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(bystander.job(id(&job)).await["status"], "Pending", "the jobs of a revoked token stay");
    app.check().await;

    let listed = app.command(&["token", "list", "--tenant", "acme"]).await.succeeded().stdout.clone();
    let line = |token: &str| listed.lines().find(|line| line.starts_with(&token[..12])).unwrap().to_owned();
    assert!(line(&revoked).trim_end().ends_with('Z') && line(&other).ends_with('-'), "{listed}");
    app.revoke(&other).await;
    app.command(&["token", "revoke", "sch_nothing1"]).await.failed_saying("sch_nothing1");
}

/// Two tenants with a client each.
async fn two_tenants(app: &App) -> (Conversation, Conversation) {
    let client = async |tenant| app.with_token(&app.token(tenant, &["read", "write"]).await);
    (client("acme").await, client("umbrella").await)
}

#[tokio::test]
async fn another_tenants_job_answers_exactly_as_an_unknown_one() {
    let app = App::at(START).await;
    let (acme, umbrella) = two_tenants(&app).await;
    let waiting = acme.post_job(a_job().in_seconds(3600)).await.created();
    let ended = acme.post_job(a_job().in_seconds(3600)).await.created();
    acme.cancel(id(&ended)).await.ok();
    let without_instance = |answer: &Answer| {
        let mut body = answer.problem(404).body.clone();
        body["instance"] = Value::Null;
        (body, answer.headers.keys().cloned().collect::<Vec<_>>())
    };
    for job in [&waiting, &ended] {
        let path = format!("/scheduled-jobs/{}", id(job));
        let unknown = format!("/scheduled-jobs/{UNKNOWN}");
        for method in [Method::GET, Method::DELETE] {
            let (theirs, nobodys) = (ask(&umbrella, &method, &path).await, ask(&umbrella, &method, &unknown).await);
            assert_eq!(without_instance(&theirs), without_instance(&nobodys), "{method}");
        }
    }
    assert_eq!(acme.job(id(&waiting)).await["status"], "Pending");
    app.check().await;
}

#[tokio::test]
async fn a_list_and_a_cursor_are_of_one_tenant() {
    let app = App::at(START).await;
    let (acme, umbrella) = two_tenants(&app).await;
    for seconds in 0..5 {
        acme.post_job(a_job().named("a").in_seconds(3600 + seconds)).await.created();
        umbrella.post_job(a_job().named("u").in_seconds(3600 + seconds)).await.created();
    }
    for (client, name) in [(&acme, "a"), (&umbrella, "u")] {
        let listed = client.all_pages("limit=2").await;
        assert_eq!(listed.len(), 5);
        assert!(listed.iter().all(|job| job["name"] == name), "{listed:?}");
    }
    let cursor = acme.get("/scheduled-jobs?limit=2").await.ok()["nextCursor"].as_str().unwrap().to_owned();
    let path = format!("/scheduled-jobs?limit=2&cursor={cursor}");
    assert_eq!(acme.get(&path).await.ok()["items"].as_array().unwrap().len(), 2);
    assert_eq!(umbrella.get(&path).await.problem(400).pointers(), ["/cursor"]);
    app.check().await;
}

#[tokio::test]
async fn tenants_may_use_the_same_idempotency_key() {
    let app = App::at(START).await;
    let (acme, umbrella) = two_tenants(&app).await;
    let post = async |client: &Conversation| {
        let request = client.request(Method::POST, "/scheduled-jobs").header("Idempotency-Key", "k");
        let body = json!({ "callbackUrl": app.receiver.url("/x"), "idempotencyKey": "k", "delaySeconds": 60 });
        client.send(request.header("content-type", "application/json").body(body.to_string())).await.created()
    };
    assert_ne!(post(&acme).await["id"], post(&umbrella).await["id"]);
    app.advance_to("2090-06-01T12:01:00Z").await;
    assert_eq!(app.receiver.calls("/x").len(), 2);
    app.check().await;
}

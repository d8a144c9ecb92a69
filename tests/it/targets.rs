//! Where callbacks may not go, tried from outside: hostile URLs at creation, and at delivery names that a name server
//! under the attacker's hand sends elsewhere between look-ups. Nothing is ever connected to but what was checked.
//! Neighbours: the tables of `shared::egress`, and `support::dns_server`.

use serde_json::{Value, json};

use crate::support::app::App;
use crate::support::builders::a_job;
use crate::support::conversation::id;
use crate::support::dns_server::{DnsServer, Found, alias, at};
use crate::support::raw_receiver::RawReceiver;

const REFUSED: &str = "refused: the host resolves to an address that callbacks may not go to";
/// An answer after which the next attempt must look up and connect again.
const FAILED: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A program that may call 127.0.0.1 and ::1 alone, a receiver there, and one on the same port of 127.0.0.2 that
/// nothing may ever reach: it stands for what is internal.
struct Scene {
    app: App,
    dns: DnsServer,
    allowed: RawReceiver,
    internal: RawReceiver,
}

impl Scene {
    async fn set() -> Self {
        let dns = DnsServer::start().await;
        let allowed = RawReceiver::start(|connection| connection.answer(FAILED)).await;
        let internal = format!("127.0.0.2:{}", allowed.address().port()).parse().unwrap();
        let internal = RawReceiver::start_at(internal, |connection| connection.answer(FAILED)).await;
        let app = App::dev().now("2026-03-28T12:00:00Z").env("DNS_SERVERS", dns.address());
        let app = app.env("ALLOWED_CALLBACK_NETWORKS", "127.0.0.1,::1").start().await;
        Self { app, dns, allowed, internal }
    }

    /// A job that is called at this name, on the port of the two receivers.
    async fn job_to(&self, name: &str, attempts: u32) -> String {
        let url = format!("http://{name}:{}/", self.allowed.address().port());
        id(&self.app.post_job(a_job().to(&url).attempts(attempts)).await.created()).to_owned()
    }

    /// Walks an hour, and asserts that the internal receiver has never been connected to.
    async fn play(&self) {
        self.app.advance_to("2026-03-28T13:00:00Z").await;
        assert!(self.internal.heard().is_empty(), "{:?}", self.internal.heard());
    }

    /// The job's last error, which tells no address.
    async fn last_error(&self, job: &str) -> Value {
        let job = self.app.job(job).await;
        for address in ["127.0.", "169.254", "10.0.0", "::", "fd00"] {
            assert!(!job["attemptLog"].to_string().contains(address), "{address} shows in {job:#}");
        }
        job["lastError"].clone()
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_at_its_second_look_up_is_refused_there() {
    let scene = Scene::set().await;
    let targets = [
        "127.0.0.2",
        "169.254.169.254",
        "10.0.0.1",
        "0.0.0.0",
        "::",
        "::ffff:127.0.0.2",
        "::ffff:169.254.169.254",
        "::127.0.0.2",
        "64:ff9b::7f00:2",
        "64:ff9b:1::7f00:2",
        "2002:7f00:2::",
        "2001::1",
        "fd00:ec2::254",
        "fe80::1",
    ];
    let mut jobs = Vec::new();
    for (number, target) in targets.into_iter().enumerate() {
        let name = format!("rebind-{number}.test");
        scene.dns.script(&name, [at(["127.0.0.1"]), at([target])]);
        jobs.push((target, scene.job_to(&name, 2).await, name));
    }
    scene.play().await;
    for (target, job, name) in &jobs {
        assert_eq!(scene.last_error(job).await, REFUSED, "{target}");
        let log = scene.app.job(job).await["attemptLog"].clone();
        assert_eq!((&log[0]["statusCode"], &log[1]["statusCode"]), (&json!(500), &Value::Null), "{target}: {log}");
        assert_eq!(scene.dns.asked(name), (2, 2), "one look-up for each attempt: {target}");
    }
    assert_eq!(scene.allowed.heard().len(), jobs.len(), "each first attempt, and nothing else");
}

#[tokio::test]
async fn of_several_addresses_a_refused_one_is_never_connected_to() {
    let scene = Scene::set().await;
    scene.dns.script("refused-first.test", [at(["127.0.0.2", "169.254.169.254", "127.0.0.1"])]);
    scene.dns.script("refused-last.test", [at(["127.0.0.1", "127.0.0.2"])]);
    // Nothing listens at ::1 on this port: what is left to try must not be what was refused.
    scene.dns.script("dead-or-refused.test", [at(["127.0.0.2", "::1"])]);
    scene.dns.script("refused-only.test", [at(["127.0.0.2", "10.0.0.1", "fe80::1"])]);
    let first = scene.job_to("refused-first.test", 1).await;
    let last = scene.job_to("refused-last.test", 1).await;
    let dead = scene.job_to("dead-or-refused.test", 1).await;
    let only = scene.job_to("refused-only.test", 1).await;
    scene.play().await;
    assert_eq!(scene.last_error(&first).await, "the receiver answered 500 Internal Server Error");
    assert_eq!(scene.last_error(&last).await, "the receiver answered 500 Internal Server Error");
    assert_eq!(scene.last_error(&dead).await, "no connection: Connection refused (os error 111)");
    assert_eq!(scene.last_error(&only).await, REFUSED);
}

#[tokio::test]
async fn what_an_alias_leads_to_is_judged_like_any_other_address() {
    let scene = Scene::set().await;
    scene.dns.script("outside.test", [alias("middle-a.test")]);
    scene.dns.script("middle-a.test", [alias("end-a.test")]);
    scene.dns.script("end-a.test", [at(["127.0.0.1"])]);
    scene.dns.script("inside.test", [alias("middle-b.test")]);
    scene.dns.script("middle-b.test", [alias("end-b.test")]);
    scene.dns.script("end-b.test", [at(["127.0.0.2", "::ffff:127.0.0.2"])]);
    scene.dns.script("loop.test", [alias("loop.test")]);
    let outside = scene.job_to("outside.test", 1).await;
    let inside = scene.job_to("inside.test", 1).await;
    let endless = scene.job_to("loop.test", 1).await;
    scene.play().await;
    assert_eq!(scene.last_error(&outside).await, "the receiver answered 500 Internal Server Error");
    assert_eq!(scene.last_error(&inside).await, REFUSED);
    let endless = scene.last_error(&endless).await;
    assert!(endless.as_str().unwrap().starts_with("no connection: the host's name "), "{endless}");
}

#[tokio::test]
async fn a_name_with_ipv6_addresses_alone_is_judged_by_them() {
    let scene = Scene::set().await;
    let address = format!("[::1]:{}", scene.allowed.address().port()).parse().unwrap();
    let six = RawReceiver::start_at(address, |connection| connection.answer(FAILED)).await;
    scene.dns.script("six.test", [at(["::1"])]);
    scene.dns.script("six-inside.test", [at(["fd00:ec2::254", "fe80::1", "::ffff:127.0.0.2"])]);
    let allowed = scene.job_to("six.test", 1).await;
    let refused = scene.job_to("six-inside.test", 1).await;
    scene.play().await;
    assert_eq!(scene.last_error(&allowed).await, "the receiver answered 500 Internal Server Error");
    assert_eq!(six.heard().len(), 1);
    assert_eq!(scene.last_error(&refused).await, REFUSED);
}

#[tokio::test]
async fn a_name_without_an_address_and_a_name_server_that_is_silent_are_told_apart() {
    let scene = Scene::set().await;
    scene.dns.script("silent.test", [Found::Silence]);
    scene.dns.script("empty.test", [at([])]);
    let unknown = scene.job_to("nowhere.test", 1).await;
    let empty = scene.job_to("empty.test", 1).await;
    let url = format!("http://silent.test:{}/", scene.allowed.address().port());
    let silent = scene.app.post_job(a_job().to(&url).attempts(1).timeout_seconds(1)).await.created();
    scene.play().await;
    assert_eq!(scene.last_error(&unknown).await, "no connection: the host's name has no address");
    assert_eq!(scene.last_error(&empty).await, "no connection: the host's name has no address");
    assert_eq!(scene.last_error(id(&silent)).await, "timeout: no answer within 1 s");
}

fn urls(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with("# "))
}

#[tokio::test]
async fn every_hostile_url_is_refused_at_creation_and_every_public_one_is_taken() {
    let app = App::dev().now("2026-03-28T12:00:00Z").env("ALLOWED_CALLBACK_NETWORKS", "").start().await;
    let hostile: Vec<_> = urls(include_str!("../../shared/src/egress/hostile_urls.txt")).collect();
    assert!(hostile.len() >= 120, "{}", hostile.len());
    for url in hostile {
        assert_eq!(app.post_job(a_job().to(url)).await.problem(400).pointers(), ["/callbackUrl"], "{url}");
    }
    assert!(app.all_pages("").await.is_empty(), "nothing is stored");
    let public: Vec<_> = urls(include_str!("../../shared/src/egress/public_urls.txt")).collect();
    assert!(public.len() >= 40, "{}", public.len());
    for url in public {
        assert_eq!(app.post_job(a_job().to(url).in_seconds(60)).await.created()["callbackUrl"], url);
    }
}

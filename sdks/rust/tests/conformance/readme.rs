//! What the README shows, compiled: each of its blocks stands here word for word. It sends nothing.
//! Neighbour: `tests/it/rust_client.rs` sends the like to a real Scheduler.

#[allow(dead_code, reason = "compiled, not run")]
async fn remind() -> Result<(), scheduler_client::Error> {
    use scheduler_client::{Client, CreateJob};
    use std::time::Duration;

    let client = Client::new("http://127.0.0.1:8080", "dev")?;
    let request = CreateJob::new("https://example.org/hook")
        .name("remind")
        .after(Duration::from_secs(3600))
        .payload(serde_json::json!({ "orderId": 17 }));
    let job = client.create(&request).await?;
    println!("{} at {}", job.id, job.fire_at_utc);
    Ok(())
}

#[allow(dead_code, reason = "compiled, not run")]
async fn lists() -> Result<(), scheduler_client::Error> {
    use futures_util::TryStreamExt;
    use scheduler_client::{Client, JobFilter, JobStatus};

    let client = Client::new("http://127.0.0.1:8080", "dev")?;
    let mut pending = client.jobs(JobFilter::new().status(JobStatus::Pending));
    while let Some(job) = pending.try_next().await? {
        if job.name.as_deref() == Some("remind") {
            client.cancel(&job.id).await?;
        }
    }
    Ok(())
}

#[allow(dead_code, reason = "compiled, not run")]
fn receivers() {
    use scheduler_client::verify_signature;

    let (secret, header, body) = ("whsec_…", "t=1774699260,s=…", b"the body as it came");
    if !verify_signature(secret, header, body) {
        // Answer 401, and do nothing.
    }
}

/// Without what only layout differs in.
fn words(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn every_block_of_the_readme_compiles() {
    let here = words(include_str!("readme.rs"));
    let blocks: Vec<_> = include_str!("../../README.md").split("```rust\n").skip(1).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let code = block.split("```").next().unwrap();
        // The order of imports is rustfmt's.
        for line in code.lines() {
            assert!(here.contains(&words(line)), "{line:?} of the README is not in readme.rs");
        }
    }
}

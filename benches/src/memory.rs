//! The most memory that a poller's process ever has, with 1,000 and with 50,000 due jobs.
//! Pages are streamed, never collected, so the two must be alike. Neighbour: `drain`, whose poller it runs.

use crate::drain::{RECEIVERS, by_the_poller};
use crate::jobs;
use crate::process::Server;
use crate::report::{Finding, Series, Target, mebibytes};
use crate::roles::Place;

pub(crate) async fn compare(runs: u32) -> anyhow::Result<Vec<Finding>> {
    let store = Server::embedded().await?;
    let receiver = Server::start(&["receiver", "--ports", RECEIVERS]).await?;
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for run in 0..runs {
        for (count, peaks) in [(1_000, &mut few), (50_000, &mut many)] {
            let place = Place::new(&store.ready, &format!("memory{run}-{count}-"));
            jobs::seed(&place, &receiver.ready, count).await?;
            let drain = by_the_poller(&place, count).await?;
            jobs::clear(&place).await?;
            eprintln!("bench: {drain:?}");
            peaks.push(mebibytes(drain.peak_kib));
        }
    }
    let finding = Finding::new("peak memory of the poller with 50,000 due jobs", Series::new("MiB", many))
        .beside("with 1,000 due", Series::new("MiB", few))
        .with_target(Target::WithinPercent(10.0));
    Ok(vec![finding])
}

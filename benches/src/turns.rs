//! Who is compared takes turns, so that what else the machine does hits all alike.
//! It knows nothing of what they do. Neighbours: the scenarios.

use std::fmt::Debug;

/// So many runs of each, in turns; who goes first changes. What comes back is in the order of `who`.
pub(crate) async fn take<W: Copy + Debug, R: Debug>(
    who: &[W],
    runs: u32,
    run: impl AsyncFn(W, u32) -> anyhow::Result<R>,
) -> anyhow::Result<Vec<Vec<R>>> {
    let mut results: Vec<Vec<R>> = who.iter().map(|_| Vec::new()).collect();
    for number in 0..runs {
        let first = usize::try_from(number)? % who.len().max(1);
        let mut turn: Vec<_> = who.iter().zip(&mut results).collect();
        turn.rotate_left(first);
        for (who, results) in turn {
            let result = run(*who, number).await?;
            eprintln!("bench: {who:?} {result:?}");
            results.push(result);
        }
    }
    Ok(results)
}

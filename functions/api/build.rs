//! Finds the built dashboard (`dashboard/dist`, made by `npm run build` there) and lists its files for `assets`.
//! It builds nothing itself: without Node there is no dashboard, and `assets` serves a page that says so.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // As Cargo says it now: a target folder that several checkouts share holds a script that another one has compiled.
    let root = env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| io::Error::other("Cargo sets CARGO_MANIFEST_DIR"))?;
    let dist = Path::new(&root).join("../../dashboard/dist");
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo can only wait for something to be built into a folder that is there.
    fs::create_dir_all(&dist)?;
    println!("cargo::rerun-if-changed={}", dist.display());

    let index = dist.join("index.html");
    let mut code = if index.is_file() {
        format!("const INDEX: Option<&[u8]> = Some(include_bytes!({:?}));\n", index.canonicalize()?)
    } else {
        "const INDEX: Option<&[u8]> = None;\n".to_owned()
    };
    code.push_str("const ASSETS: &[(&str, &[u8])] = &[\n");
    for (name, path) in compressed(&dist.join("assets"))? {
        writeln!(code, "    ({name:?}, include_bytes!({path:?})),").map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("Cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("page.rs"), code)
}

/// The compressed files by the names they are asked for: `index-1a2b.js` for `index-1a2b.js.gz`. In order, so that the
/// same page makes the same binary.
fn compressed(folder: &Path) -> io::Result<Vec<(String, std::path::PathBuf)>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".gz")) {
            found.push((name.to_owned(), entry.path().canonicalize()?));
        }
    }
    found.sort();
    Ok(found)
}

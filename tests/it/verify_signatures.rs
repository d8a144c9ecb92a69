//! The functions that `docs/verify-signatures.md` gives to receivers, each taken out of the page, compiled and asked.
//! It starts no Scheduler: `shared::signature` makes what they are to verify. Neighbour: their drivers, in
//! `tests/verify_signatures`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shared::clock::{Timestamp, parse_instant};
use shared::signature::{SigningSecrets, sign};
use tempfile::TempDir;

const PAGE: &str = include_str!("../../docs/verify-signatures.md");
const SECRET: &str = "whsec_è a secret of any text";
const SENT: &str = "2026-03-28T12:01:00Z";
const T: i64 = 1_774_699_260;
/// Not UTF-8, and with a dot and a line feed.
const BODY: &[u8] = b"{\"a\": 1.0}\n\xff.\0";

struct Vector {
    what: &'static str,
    header: String,
    body: &'static [u8],
    now: i64,
    is_signed: bool,
}

fn sent_with(secrets: &[&str], body: &[u8]) -> String {
    let secrets = secrets.iter().map(|&secret| secret.to_owned()).collect();
    let sent: Timestamp = parse_instant(SENT).unwrap();
    SigningSecrets { secrets, standard_webhooks: false }.header(sent, body).unwrap()
}

fn vectors() -> Vec<Vector> {
    let signed = sent_with(&[SECRET], BODY);
    let hex = sign(SECRET, T, BODY);
    let vector =
        |what, header: &str, is_signed| Vector { what, header: header.to_owned(), body: BODY, now: T, is_signed };
    let at = |what, now, is_signed| Vector { what, header: signed.clone(), body: BODY, now, is_signed };
    vec![
        vector("as it was sent", &signed, true),
        vector("by the new one of two secrets", &sent_with(&[SECRET, "old"], BODY), true),
        vector("by the old one of two secrets", &sent_with(&["new", SECRET], BODY), true),
        Vector { header: sent_with(&[SECRET], b""), body: b"", ..vector("without a body", "", true) },
        at("five minutes old", T + 300, true),
        at("five minutes ahead", T - 300, true),
        at("too old", T + 301, false),
        at("too far ahead", T - 301, false),
        vector("by two other secrets", &sent_with(&["new", "old"], BODY), false),
        Vector { body: b"{\"a\": 1.0}", ..vector("another body", &signed, false) },
        Vector { body: b"", ..vector("no body", &signed, false) },
        vector("another time than was signed", &signed.replace("t=1774699260", "t=1774699261"), false),
        vector("the time twice", &format!("t={T},{signed}"), false),
        vector("no time", &format!("s={hex}"), false),
        vector("an empty time", &format!("t=,s={hex}"), false),
        vector("a time that is none", &format!("t=now,s={hex}"), false),
        vector("a huge time", &format!("t=99999999999999999999,s={hex}"), false),
        vector("a large time", &format!("t=999999999999999,s={hex}"), false),
        vector("a negative time", &format!("t=-{T},s={hex}"), false),
        vector("no signature", &format!("t={T}"), false),
        vector("an empty signature", &format!("t={T},s="), false),
        vector("half a signature", &format!("t={T},s={}", &hex[..32]), false),
        vector("an odd number of digits", &format!("t={T},s={}", &hex[..63]), false),
        vector("more than a signature", &format!("t={T},s={hex}00"), false),
        vector("no hexadecimal", &format!("t={T},s={}", "z".repeat(64)), false),
        vector("not ASCII", &format!("t={T},s={}", "è".repeat(32)), false),
        vector("a signature under another name", &format!("t={T},v={hex}"), false),
        vector("one that is none, then the right one", &format!("t={T},s=00,s={hex}"), true),
        vector("what a later version may add", &format!("{signed},v2=abc"), true),
        vector("nothing but commas", ",,,", false),
        vector("nothing but equals signs", "===", false),
        vector("no sense at all", "signature", false),
    ]
}

/// A workbench for one language: a folder with its block and its driver.
struct Bench(TempDir);

impl Bench {
    /// The block of this language in the page, as `block`, beside its driver.
    fn with(language: &str, block: &str, driver: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let opening = format!("```{language}\n");
        let (_, rest) = PAGE.split_once(&opening).unwrap_or_else(|| panic!("no block of {language} in the page"));
        let (code, _) = rest.split_once("\n```").expect("its end");
        std::fs::write(folder.path().join(block), format!("{code}\n")).unwrap();
        let drivers = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify_signatures");
        std::fs::copy(drivers.join(driver), folder.path().join(driver)).unwrap();
        Self(folder)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.0.path()).stdout(Stdio::piped());
        // Go wants a place for what it has compiled, and no module.
        command
            .env("GOCACHE", self.path("cache"))
            .env("GO111MODULE", "off")
            .env("GOFLAGS", "")
            .env("GOTOOLCHAIN", "local");
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = self.command(program, arguments).status();
        let status = status.unwrap_or_else(|error| panic!("{program}: {error}; `make test` installs it"));
        assert!(status.success(), "{program} {arguments:?}");
    }

    /// Asks about all vectors and compares.
    fn ask(&self, program: &str, arguments: &[&str]) {
        let hex = shared::signature::hex;
        let vectors = vectors();
        let question: String = vectors
            .iter()
            .map(|v| format!("{} {} {} {}\n", hex(SECRET.as_bytes()), hex(v.header.as_bytes()), hex(v.body), v.now))
            .collect();
        std::fs::write(self.path("question"), question).unwrap();
        let mut command = self.command(program, arguments);
        command.stdin(std::fs::File::open(self.path("question")).unwrap());
        let output = command.output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}; `make test` installs it"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap().to_lowercase();
        let said: Vec<_> = said.lines().collect();
        assert_eq!(said.len(), vectors.len(), "{program} answered {said:?}");
        for (vector, said) in vectors.iter().zip(said) {
            assert_eq!(said, vector.is_signed.to_string(), "{program}: {}: {}", vector.what, vector.header);
        }
    }
}

#[test]
fn receivers_in_python_verify_what_is_sent() {
    let bench = Bench::with("python", "block.py", "driver.py");
    let block = std::fs::read_to_string(bench.path("block.py")).unwrap();
    let driver = std::fs::read_to_string(bench.path("driver.py")).unwrap();
    std::fs::write(bench.path("both.py"), block + &driver).unwrap();
    bench.ask("python3", &["both.py"]);
}

#[test]
fn receivers_in_node_verify_what_is_sent() {
    Bench::with("js", "block.mjs", "driver.mjs").ask("node", &["driver.mjs"]);
}

#[test]
fn receivers_in_go_verify_what_is_sent() {
    let bench = Bench::with("go", "block.go", "driver.go");
    bench.run("go", &["build", "-o", "verify", "block.go", "driver.go"]);
    bench.ask(bench.path("verify").to_str().unwrap(), &[]);
}

#[test]
fn receivers_in_java_verify_what_is_sent() {
    let bench = Bench::with("java", "ContitSignature.java", "Driver.java");
    bench.run("javac", &["-encoding", "UTF-8", "ContitSignature.java", "Driver.java"]);
    bench.ask("java", &["-cp", ".", "Driver"]);
}

#[test]
fn receivers_in_csharp_verify_what_is_sent() {
    let bench = Bench::with("csharp", "ContitSignature.cs", "Driver.cs");
    bench.run("mcs", &["-out:verify.exe", "ContitSignature.cs", "Driver.cs"]);
    bench.ask("mono", &["verify.exe"]);
}

//! The dashboard: its page at the paths that people may reload or share, and the page's own files.
//! It never needs a token and shows no data; what the page shows, it asks the API for. Neighbour: `build.rs` finds the files.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::App;
use crate::problem::Problem;

// What is embedded: INDEX, the page as it is, and ASSETS, its files by name, each gzipped and kept once.
include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What people see who built the API without Node.
const NOT_BUILT: &str = include_str!("not_built.html");

/// Scripts and styles from here, requests to here, and nothing else: no inline script or style, no other origin, no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The paths of the page itself: every view has one, so that it can be reloaded and shared.
const VIEWS: [&str; 4] = ["/", "/jobs/{id}", "/new", "/overview"];

pub(crate) fn routes() -> Router<Arc<App>> {
    let router = VIEWS.iter().fold(Router::new(), |router, path| router.route(path, get(page)));
    router.route("/assets/{name}", get(asset))
}

async fn page() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        // Its files are named by what is in them; the page itself is asked for each time.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, INDEX.unwrap_or(NOT_BUILT.as_bytes())).into_response()
}

async fn asset(name: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Result<Response, Problem> {
    let nothing = || Problem::new(StatusCode::NOT_FOUND, "There is nothing at this path.");
    let Path(name) = name.map_err(|_| nothing())?;
    let (_, bytes) = ASSETS.iter().find(|(known, _)| *known == name).ok_or_else(nothing)?;
    if !takes_gzip(&headers) {
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "This is only to be had with Accept-Encoding: gzip."));
    }
    let headers = [
        (CONTENT_TYPE, media_type(&name)),
        (CONTENT_ENCODING, "gzip"),
        (VARY, "Accept-Encoding"),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, *bytes).into_response())
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some(_) | None => "application/octet-stream",
    }
}

/// RFC 9110 §12.5.3: a client that does not speak of codings takes any; one that names some takes those.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(ACCEPT_ENCODING).iter().peekable();
    if given.peek().is_none() {
        return true;
    }
    let (mut gzip, mut any) = (None, None);
    for coding in given.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(!refused),
            "*" => any = Some(!refused),
            _ => {}
        }
    }
    gzip.or(any).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_takes_gzip_is_given_it() {
        for (text, expected) in [
            (None, true),
            (Some("gzip, deflate, br"), true),
            (Some("br;q=1, GZIP;q=0.5"), true),
            (Some("*"), true),
            (Some("gzip;q=0, *"), false),
            (Some("gzip; q=0.000"), false),
            (Some("br, *;q=0"), false),
            (Some("br"), false),
            (Some("identity"), false),
            (Some(""), false),
        ] {
            let headers = text.map(|text| (ACCEPT_ENCODING, text.parse().unwrap()));
            assert_eq!(takes_gzip(&HeaderMap::from_iter(headers)), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_embedded_belongs_together_and_is_small() {
        let page = INDEX.map(|page| std::str::from_utf8(page).unwrap()).unwrap_or_default();
        let all: usize = page.len() + ASSETS.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        assert!(all <= 230_000, "the dashboard takes {all} bytes of the function");
        assert_eq!(page.is_empty(), ASSETS.is_empty());
        for named in page.split('"').filter_map(|text| text.strip_prefix("/assets/")) {
            assert!(ASSETS.iter().any(|(name, _)| *name == named), "{named} is not embedded");
        }
        for (name, bytes) in ASSETS {
            assert!(bytes.starts_with(&[0x1f, 0x8b]), "{name} is not gzip");
            assert_ne!(media_type(name), "application/octet-stream", "{name}");
        }
    }
}

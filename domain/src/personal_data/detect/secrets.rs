//! Secrets that show by their form: keys, tokens and private key blocks.

use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex::Regex;
use serde::Deserialize;

use super::{constant, edge};

/// Characters of a JWT's header; what is longer is none.
const JWT_HEADER_MAX: usize = 8192;

/// AWS writes identifiers in base32 (RFC 4648).
static AWS: LazyLock<Regex> = LazyLock::new(|| constant("(?:AKIA|ASIA)[A-Z2-7]{16}"));
/// `PRIVATE KEY BLOCK` is how PGP says it.
static PRIVATE_KEY: LazyLock<Regex> =
    LazyLock::new(|| constant("-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"));
static PRIVATE_KEY_END: LazyLock<Regex> =
    LazyLock::new(|| constant("-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"));
/// Signed ones have three parts, encrypted ones five.
static JWT: LazyLock<Regex> = LazyLock::new(|| {
    constant(r"(eyJ[A-Za-z0-9_-]+)(?:(?:\.[A-Za-z0-9_-]*){4}|(?:\.[A-Za-z0-9_-]*){2})")
});
static GITHUB: LazyLock<Regex> =
    LazyLock::new(|| constant("(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})"));

pub(in super::super) fn aws_access_key_ids(text: &str) -> Vec<Range<usize>> {
    alone(&AWS, text)
}

pub(in super::super) fn github_tokens(text: &str) -> Vec<Range<usize>> {
    alone(&GITHUB, text)
}

/// Blocks from the first line to the last; without a last line, the rest of the text is the key.
pub(in super::super) fn private_keys(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = PRIVATE_KEY.find_at(text, at) {
        at = PRIVATE_KEY_END.find_at(text, begin.end()).map_or(text.len(), |end| end.end());
        found.push(begin.start()..at);
    }
    found
}

/// Tokens whose header decodes to an object that names an algorithm.
pub(in super::super) fn jwts(text: &str) -> Vec<Range<usize>> {
    let tokens = JWT.captures_iter(text).filter_map(|token| {
        let is_header = token.get(1).is_some_and(|header| names_algorithm(header.as_str()));
        token.get(0).filter(|_| is_header).map(|whole| whole.range())
    });
    tokens.collect()
}

fn names_algorithm(header: &str) -> bool {
    #[derive(Deserialize)]
    struct Header {
        #[serde(rename = "alg")]
        _algorithm: String,
    }
    header.len() <= JWT_HEADER_MAX
        && URL_SAFE_NO_PAD
            .decode(header)
            .is_ok_and(|json| serde_json::from_slice::<Header>(&json).is_ok())
}

/// Matches that no letter or digit stands beside; a name and `_` or `-` may come before.
fn alone(pattern: &Regex, text: &str) -> Vec<Range<usize>> {
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let is_alone = |span: &Range<usize>| {
        (!text[..span.start].ends_with(is_word) || edge::is_escape(text, span.start))
            && !text[span.end..].starts_with(is_word)
    };
    pattern.find_iter(text).map(|found| found.range()).filter(is_alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT_HS256: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";

    #[test]
    fn aws_key_ids_are_found() {
        for text in ["AKIAIOSFODNN7EXAMPLE", "id=ASIAIOSFODNN7EXAMPLE;", r"\nAKIAIOSFODNN7EXAMPLE"]
        {
            assert_eq!(aws_access_key_ids(text).len(), 1, "{text:?}");
        }
        for text in [
            "AKIAIOSFODNN7EXAMPL",
            "AKIAIOSFODNN7EXAMPLEX",
            "XAKIAIOSFODNN7EXAMPLE",
            "AKIAIOSFODNN1EXAMPLE",
            "akiaiosfodnn7example",
            "AROAIOSFODNN7EXAMPLE",
        ] {
            assert!(aws_access_key_ids(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn github_tokens_are_found() {
        let rest = "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789";
        for kind in ["ghp", "gho", "ghu", "ghs", "ghr"] {
            assert_eq!(github_tokens(&format!("https://{kind}_{rest}@github.com")).len(), 1);
        }
        assert_eq!(github_tokens(&format!("TOKEN_github_pat_11ABC_{rest}")).len(), 1);
        for text in [format!("ghx_{rest}"), format!("ghp_{}", &rest[1..]), format!("highp_{rest}")]
        {
            assert!(github_tokens(&text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn private_keys_are_found_whole() {
        for (text, rest) in [
            ("x -----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY----- y", " y"),
            (r"-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n", r"\n"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", ""),
            ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", ""),
        ] {
            let found = private_keys(text);
            assert_eq!(found.len(), 1, "{text:?}");
            assert_eq!(&text[found[0].end..], rest);
        }
        for text in ["-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----", "PRIVATE KEY"] {
            assert!(private_keys(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn tokens_with_an_algorithm_are_found() {
        assert_eq!(jwts(JWT_HS256).len(), 1);
        let sentence = format!("Bearer {JWT_HS256}.");
        assert_eq!(&sentence[jwts(&sentence)[0].clone()], JWT_HS256);
        // An unsecured one: it carries claims all the same.
        assert_eq!(jwts("eyJhbGciOiJub25lIn0.eyJzdWIiOiJqb2UifQ.").len(), 1);
        for text in [
            "eyJhbGciOiJIUzI1NiJ9",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqb2UifQ",
            "eyJmb28iOiJiYXIifQ.eyJzdWIiOiJqb2UifQ.c2ln",
            "eyJxxxxxxxx.yyyyyyyy.zzzzzzzz",
        ] {
            assert!(jwts(text).is_empty(), "{text:?}");
        }
    }
}

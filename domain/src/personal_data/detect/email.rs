//! E-mail addresses, read outwards from each `@`.
//!
//! Pragmatic: what people write, with letters of any script, and not all that RFC 5322 allows.
//! Package versions (`name@1.2.3-beta.rc`), files (`icon@2x.png`) and the login `git@` of forges
//! are none. A password before the `@` of a URL is taken for an address: better masked than shown.

use std::ops::Range;

/// Bytes of a local part (RFC 5321).
const LOCAL_BYTES_MAX: usize = 64;

/// Bytes of a domain (RFC 5321).
const DOMAIN_BYTES_MAX: usize = 255;

/// Endings of files, none of them a top-level domain.
const FILE_ENDINGS: [&str; 14] = [
    "css", "gif", "html", "jpeg", "jpg", "js", "json", "jsx", "png", "svg", "ts", "tsx", "txt",
    "yaml",
];

pub(in super::super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.match_indices('@') {
        let free = found.last().map_or(0, |last| last.end);
        if at < free {
            continue;
        }
        let Some(start) = local_start(&text[free..at]).map(|start| start + free) else { continue };
        let Some(length) = domain_length(&text[at + 1..]) else { continue };
        if &text[start..at] != "git" {
            found.push(start..at + 1 + length);
        }
    }
    found
}

/// Where the local part that a text ends with starts.
fn local_start(text: &str) -> Option<usize> {
    let is_local = |c: char| is_word(c) || matches!(c, '.' | '_' | '%' | '+' | '\'' | '-');
    let run = last_bytes(text, LOCAL_BYTES_MAX + 1);
    let mut start = run.char_indices().rev().take_while(|&(_, c)| is_local(c)).last()?.0;
    // Two dots in a row do not stand in a local part, nor one at either end.
    start = run[start..].rfind("..").map_or(start, |dots| start + dots + 2);
    let first = |c: char| c.is_alphanumeric() || c == '_';
    start += run[start..].find(first)?;
    let is_valid = !run.ends_with('.') && run.len() - start <= LOCAL_BYTES_MAX;
    is_valid.then(|| text.len() - run.len() + start)
}

/// How long the domain that a text begins with is.
fn domain_length(text: &str) -> Option<usize> {
    let is_domain = |c: char| is_word(c) || matches!(c, '.' | '-');
    let run = first_bytes(text, DOMAIN_BYTES_MAX);
    let mut domain = &run[..run.find(|c| !is_domain(c)).unwrap_or(run.len())];
    domain = &domain[..domain.find("..").unwrap_or(domain.len())];
    if is_version_or_scale(domain) {
        return None;
    }
    loop {
        domain = domain.trim_end_matches(['.', '-']);
        let (host, top) = domain.rsplit_once('.')?;
        // A dash that is no part of the name: `joe@example.com-and-others`.
        let name = if top.starts_with("xn--") { top } else { top.split('-').next()? };
        if is_top_level(name) && host.split('.').all(is_label) {
            return Some(host.len() + 1 + name.len());
        }
        domain = host;
    }
}

fn is_top_level(name: &str) -> bool {
    let is_name = name.starts_with("xn--")
        || (name.chars().all(char::is_alphabetic) && name.chars().nth(1).is_some())
        // Scripts that write vowels as marks.
        || (!name.is_ascii() && name.chars().all(|c| is_word(c) && !c.is_ascii_digit()));
    is_name && !FILE_ENDINGS.contains(&name)
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
}

/// `18.0.0-rc.next`, `v2.1`, `2x.png`.
fn is_version_or_scale(domain: &str) -> bool {
    let mut labels = domain.split('.');
    let (first, second) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    let is_number = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    let is_scale = first.len() == 2 && first.ends_with('x') && is_number(&first[..1]);
    is_scale
        || (is_number(first.trim_start_matches('v'))
            && second.starts_with(|c: char| c.is_ascii_digit()))
}

/// Letters and digits of any script, with their marks.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{300}'..='\u{36F}' | '\u{93C}' | '\u{94D}')
}

fn last_bytes(text: &str, count: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(count))..]
}

fn first_bytes(text: &str, count: usize) -> &str {
    &text[..text.floor_char_boundary(count)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_finds(text: &str, address: &str) {
        let found: Vec<&str> = find(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(found, [address], "{text:?}");
    }

    #[test]
    fn addresses_are_found_where_people_write_them() {
        for (text, address) in [
            ("joe@example.com", "joe@example.com"),
            ("Mail joe.b+tag@mail.example.co.uk.", "joe.b+tag@mail.example.co.uk"),
            ("<joe@example.com>", "joe@example.com"),
            ("'joe@example.com'", "joe@example.com"),
            ("mailto:joe@example.com?subject=x", "joe@example.com"),
            ("?email=joe@example.com&x=1", "joe@example.com"),
            ("o'brien@example.ie", "o'brien@example.ie"),
            ("...joe@example.com...", "joe@example.com"),
            ("joe@example.com-and-others", "joe@example.com"),
            ("joe@example.com.2", "joe@example.com"),
            ("joe_b%x@163.com", "joe_b%x@163.com"),
            ("jörg@müller.de", "jörg@müller.de"),
            ("用户@例子.公司", "用户@例子.公司"),
            ("संपर्क@डाटामेल.भारत", "संपर्क@डाटामेल.भारत"),
            ("“joe@example.com”", "joe@example.com"),
            ("joe@xn--mller-kva.xn--p1ai", "joe@xn--mller-kva.xn--p1ai"),
            ("123-45-6789@example.com", "123-45-6789@example.com"),
        ] {
            assert_finds(text, address);
        }
        assert_eq!(find("a@b.de,c@d.de;e@f.de").len(), 3);
    }

    #[test]
    fn other_uses_of_the_sign_are_none() {
        for text in [
            "user@localhost",
            "@mention",
            "@types/node",
            "@scope/pkg@1.2.3",
            "lodash@4.17.21",
            "react@18.0.0-alpha.next",
            "actions/checkout@v4.1.2",
            "mod@v1.2.beta",
            "icon@2x.png",
            "chunk@main.js",
            "git@github.com:org/repo.git",
            "a@b",
            "a@b.c",
            "a@.com",
            "a@-b.com",
            "joe.@example.com",
            "joe @ example.com",
            "@",
            "a@@b.com",
            "5 @ 3.50",
            "x@10.0.0.1",
        ] {
            // The second sign of `a@@b.com` has nothing before it.
            assert!(find(text).is_empty(), "{text:?}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        assert!(find(&long).is_empty());
    }
}

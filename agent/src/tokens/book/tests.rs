//! A book that changes, and one that comes back.

use super::*;

fn book() -> Book {
    Book::new(vec![TokenEntry { ttl: Some(3600), ..TokenEntry::new("run", Digest::of(b"first")) }])
}

fn ids(book: &Book) -> Vec<String> {
    book.list().into_iter().map(|token| token.id).collect()
}

#[test]
fn a_rotated_token_lives_on_for_its_grace_and_not_longer_than_it_would_have() {
    let book = book();
    let changed = book.rotate(None, Duration::from_secs(600)).unwrap();
    let (generation, entries) = book.entries();
    assert_eq!(generation, changed.generation);
    assert_eq!(entries.len(), 2);
    assert!(entries[0].ttl.unwrap() <= 600);
    assert!((3590..=3600).contains(&entries[1].ttl.unwrap()), "the new one lives as long as the old one was to");
    assert!(bool::from(entries[1].digest.ct_eq(&changed.token.unwrap().digest())));
    // Rotating again takes the newest one, not the retired one.
    let again = book.rotate(None, Duration::ZERO).unwrap();
    assert_eq!(ids(&book), ["run".to_owned(), again.ids[0].clone()]);
}

#[test]
fn revoking_takes_an_id_or_a_label() {
    let book = book();
    let ci = Spec { label: Some("ci".into()), ..Spec::default() };
    let (first, second) = (book.add(ci.clone()).unwrap(), book.add(ci).unwrap());
    assert_eq!(book.revoke("ci").unwrap().ids, [first.ids[0].clone(), second.ids[0].clone()]);
    let error = book.revoke("nobody").unwrap_err();
    assert_eq!(error.to_string(), "`nobody` is no token of this tunnel; one of run");
    book.revoke("run").unwrap();
    assert_eq!(book.rotate(None, Duration::ZERO).unwrap_err(), TokenError::NoFirst { known: Vec::new() });
}

#[test]
fn an_id_is_one_tokens_name() {
    let book = book();
    let add = |label: &str| book.add(Spec { label: Some(label.to_owned()), ..Spec::default() });
    assert_eq!(add("run").unwrap_err(), TokenError::Label("is the id of another token"));
    let other = add("other").unwrap().ids.remove(0);
    assert!(matches!(add(&other), Err(TokenError::Label(_))));
    // Without the first one, it has to be said which is meant.
    book.revoke("run").unwrap();
    let known = vec![format!("{other} (other)")];
    assert_eq!(book.rotate(None, Duration::ZERO).unwrap_err(), TokenError::NoFirst { known });
}

#[test]
fn what_is_over_takes_no_place_and_a_life_is_no_shorter_than_it_was_said_to_be() {
    let book = book();
    for _ in 1..MAX_TOKENS {
        book.add(Spec { ttl: Some(Duration::from_secs(2)), ..Spec::default() }).unwrap();
    }
    let (_, entries) = book.entries();
    assert!(entries[1..].iter().all(|entry| entry.ttl == Some(2)));
    assert_eq!(book.add(Spec::default()).unwrap_err(), TokenError::Full);
    let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    for entry in book.pages().entries.iter_mut().skip(1) {
        entry.life.over = Some(long_ago);
    }
    book.add(Spec::default()).unwrap();
    assert_eq!(ids(&book).len(), 2);
}

#[tokio::test]
async fn a_change_counts_when_the_relay_says_so() {
    let book = book();
    let changed = book.add(Spec { ttl: Some(Duration::from_secs(60)), ..Spec::default() }).unwrap();
    book.untold(changed.generation - 1).await;
    let (generation, entries) = book.entries();
    let lives: Vec<_> =
        entries.iter().map(|entry| TokenLife { id: entry.id.clone(), expires_at: Some(1_000) }).collect();
    book.applied(generation, &lives);
    book.is_applied(changed.generation).await;
    let (_, entries) = book.entries();
    assert!(entries.iter().all(|entry| entry.ttl.is_none() && entry.expires_at == Some(1_000)));
}

#[test]
fn a_book_is_as_it_was_after_a_restart() {
    let book = Book::restored(Snapshot::default());
    let begun = Token::generate(&mut SysRng).unwrap();
    book.begin(&begun, Some(Duration::from_secs(3600)), false).unwrap();
    let ci = Spec { label: Some("ci".into()), rate: "100/min".parse().ok(), ..Spec::default() };
    book.add(ci).unwrap();
    // Which has no label either, and is not the one that the run shows.
    book.add(Spec::default()).unwrap();
    let rotated = book.rotate(None, Duration::from_secs(60)).unwrap();
    let again = Book::restored(book.snapshot());
    // Lives that the relay has not been told of are counted in whole seconds.
    let tokens =
        |book: &Book| -> Vec<_> { book.list().into_iter().map(|token| Listed { expires: None, ..token }).collect() };
    assert_eq!(tokens(&again), tokens(&book));
    assert_eq!(again.entries().1.len(), 4);
    let first = again.snapshot().first.unwrap();
    assert_eq!((first.secret, &first.id), (rotated.token, &rotated.ids[0]));
    assert_eq!(rotated.ids[1], FIRST_ID);
    // What takes its place lives as long as it was to.
    let next = again.rotate(None, Duration::ZERO).unwrap();
    let life = again.snapshot().records.iter().find(|record| record.id == next.ids[0]).unwrap().left;
    assert!((3590..=3600).contains(&life.unwrap()));
    again.revoke(&next.ids[0]).unwrap();
    assert!(again.snapshot().first.is_none() && again.first().is_none());
    // The old one has the name of the first one for as long as its grace lasts.
    again.begin(&begun, None, true).unwrap();
    let first = again.snapshot().first.unwrap();
    assert!(first.id != FIRST_ID && first.secret.is_none());
}

#[test]
fn what_is_no_label() {
    for bad in ["", "a b", "a\n", "\u{202e}abc", "a\u{200b}b"] {
        let spec = Spec { label: Some(bad.to_owned()), ..Spec::default() };
        assert!(matches!(book().add(spec), Err(TokenError::Label(_))), "{bad:?}");
    }
}

#[test]
fn a_life_or_a_grace_that_no_clock_counts_is_refused() {
    for ttl in [Duration::ZERO, Duration::from_nanos(1), MAX_SPAN + Duration::from_nanos(1), Duration::MAX] {
        let spec = Spec { ttl: Some(ttl), ..Spec::default() };
        assert_eq!(book().add(spec).unwrap_err(), TokenError::Life(ttl));
    }
    assert_eq!(book().rotate(None, Duration::MAX).unwrap_err(), TokenError::Life(Duration::MAX));
    let record = Record { left: Some(u64::MAX), life: Some(u64::MAX), ..TokenEntry::new("x", Digest::of(b"x")).into() };
    let book = Book::restored(Snapshot { records: vec![record], ..Snapshot::default() });
    assert_eq!((book.list().len(), book.entries().1[0].ttl), (1, Some(u64::MAX)));
    assert!(matches!(book.rotate(Some("x"), Duration::ZERO), Err(TokenError::Life(_))));
    assert_eq!(ids(&book), ["x"], "what cannot be replaced stays");
}

#[test]
fn a_life_goes_on_while_the_relay_is_away_and_over_a_restart() {
    let book = book();
    let made = book.add(Spec { ttl: Some(Duration::from_secs(4)), ..Spec::default() }).unwrap();
    assert_eq!(book.entries().1.len(), 2);
    let snapshot = book.snapshot();
    // It was made ten seconds ago, and the relay has been away.
    let ago = Duration::from_secs(10);
    for entry in &mut book.pages().entries {
        let since = entry.life.ttl.as_mut().map(|(_, since)| since).unwrap();
        *since = since.checked_sub(ago).unwrap();
    }
    let (_, told) = book.entries();
    assert_eq!(told.len(), 1, "what has run out is not told");
    assert!(told[0].ttl.unwrap() <= 3590);

    // Likewise, and it was the agent that was away. Where its clock was set back meanwhile, the life is over.
    let record = snapshot.records.into_iter().find(|record| record.id == made.ids[0]).unwrap();
    let ends = record.ends.unwrap();
    for (shift, told) in [(-6, 0), (-4, 0), (-2, 2), (0, 4), (100, 0)] {
        let ends = Some(ends.saturating_add_signed(shift));
        let records = vec![Record { ends, ..record.clone() }];
        let again = Book::restored(Snapshot { records, ..Snapshot::default() });
        let left = again.entries().1.first().map_or(0, |entry| entry.ttl.unwrap());
        assert!((told.max(1) - 1..=told).contains(&left), "{left} and not {told}");
    }
}

#[test]
fn a_grace_makes_no_life_longer() {
    let book = book();
    let made = book.add(Spec { ttl: Some(Duration::from_secs(4)), ..Spec::default() }).unwrap();
    book.rotate(Some(&made.ids[0]), Duration::from_secs(600)).unwrap();
    let told = book.entries().1.into_iter().find(|entry| entry.id == made.ids[0]).unwrap();
    assert!(told.ttl.unwrap() <= 4);
}

#[test]
fn a_full_book_can_rotate() {
    let book = book();
    for _ in 1..MAX_TOKENS {
        book.add(Spec::default()).unwrap();
    }
    let error = book.rotate(None, Duration::from_secs(600)).unwrap_err();
    assert!(error.to_string().contains("`--grace 0`"), "{error}");
    let rotated = book.rotate(None, Duration::ZERO).unwrap();
    assert_eq!((rotated.ids[1].as_str(), book.list().len()), ("run", MAX_TOKENS));
    assert_eq!(book.first().unwrap().id, rotated.ids[0]);
}

#[test]
fn there_is_a_most() {
    let book = book();
    for _ in 1..MAX_TOKENS {
        book.add(Spec::default()).unwrap();
    }
    assert_eq!(book.add(Spec::default()).unwrap_err(), TokenError::Full);
}

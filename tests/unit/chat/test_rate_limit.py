from chat.rate_limit import Strikes, TokenBucket


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(per_second=2, burst=3, now=100)
    assert [bucket.take(100) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(100.4)
    assert bucket.take(100.6)
    assert not bucket.take(100.6)


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(per_second=2, burst=3, now=0)
    assert [bucket.take(1_000_000) for _ in range(4)] == [True, True, True, False]


def test_three_strikes_within_the_period_are_too_many() -> None:
    strikes = Strikes(3, 60)
    assert [strikes.strike(at) for at in (0, 30, 60)] == [False, False, True]


def test_strikes_are_forgotten() -> None:
    strikes = Strikes(3, 60)
    assert not any(strikes.strike(at) for at in (0, 40, 80, 120, 160))

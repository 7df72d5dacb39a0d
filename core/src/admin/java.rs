//! Numbers, dates and addresses as Java writes them, since ZooKeeper's do.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// A `double`: at least one decimal; with an exponent below 0.001 and from 10^7 on.
pub(super) fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

/// Rounded to four decimals, as means are.
pub(super) fn mean(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

/// A `Date` in UTC: `Wed Nov 25 10:04:43 UTC 2026`.
pub(super) fn date(ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years begin in March here, so that the leap day is a year's last; eras of 400 years are alike.
    let from_era = days + 719_468;
    let (era, day) = (from_era.div_euclid(146_097), from_era.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 2, 0) } else { (month - 10, 1) };
    let year = year + era * 400 + carry;
    format!(
        "{} {} {day:02} {:02}:{:02}:{:02} UTC {year}",
        DAYS[days.rem_euclid(7) as usize],
        MONTHS[month as usize],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// `127.0.0.1:2181`, `[0:0:0:0:0:0:0:1]:2181`: without the shortening of zeros; a mapped IPv4 address as itself.
pub(super) fn address(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => format!("{ip}:{}", address.port()),
        IpAddr::V6(ip) => {
            let mut text = String::from("[");
            for (at, group) in ip.segments().iter().enumerate() {
                let _ = write!(text, "{}{group:x}", if at == 0 { "" } else { ":" });
            }
            if let SocketAddr::V6(v6) = address
                && v6.scope_id() != 0
            {
                let _ = write!(text, "%{}", v6.scope_id());
            }
            text + "]:" + &address.port().to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles() {
        for (number, text) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.8097, "0.8097"),
            (0.001, "0.001"),
            (0.0005, "5.0E-4"),
            (1234.5, "1234.5"),
            (9_999_999.0, "9999999.0"),
            (10_000_000.0, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(double(number), text);
        }
        assert_eq!(mean(2.0 / 3.0), 0.6667);
    }

    #[test]
    fn dates() {
        for (ms, text) in [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (-1, "Wed Dec 31 23:59:59 UTC 1969"),
            (951_782_399_000, "Mon Feb 28 23:59:59 UTC 2000"),
            (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
            (951_868_800_000, "Wed Mar 01 00:00:00 UTC 2000"),
            (1_795_601_083_000, "Wed Nov 25 10:04:43 UTC 2026"),
            (4_107_542_400_000, "Mon Mar 01 00:00:00 UTC 2100"),
        ] {
            assert_eq!(date(ms), text);
        }
    }

    #[test]
    fn addresses() {
        for (given, text) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[0:0:0:0:0:0:0:1]:80"),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
            ("[fe80::1%3]:80", "[fe80:0:0:0:0:0:0:1%3]:80"),
        ] {
            assert_eq!(address(given.parse().unwrap()), text);
        }
    }
}

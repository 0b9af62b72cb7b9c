/* The times that PollHosts servers send. Written by hand since the library's parser takes more forms than the servers
 * have (a time without a zone, for one), and what was never seen is not understood (rule CLOSED). */
#include "attest/oat.h"

#include <string.h>

typedef struct {
    int year, month, day, hour, minute, second, millisecond;
    int offset_minutes; /* east of Greenwich */
} Moment;

/* Reads exactly `digits` digits. */
static bool
take_number(const char **at, int digits, int *value)
{
    int number = 0;

    for (int i = 0; i < digits; i++) {
        if (!g_ascii_isdigit((*at)[i]))
            return false;
        number = number * 10 + ((*at)[i] - '0');
    }
    *at += digits;
    *value = number;
    return true;
}

static bool
take_char(const char **at, char expected)
{
    if (**at != expected)
        return false;
    (*at)++;
    return true;
}

/* One of `words`, each three letters long: its place, from 0. */
static bool
take_word(const char **at, const char *words, int *place)
{
    for (int i = 0; words[3 * i]; i++) {
        if (strncmp(*at, words + 3 * i, 3) == 0) {
            *at += 3;
            *place = i;
            return true;
        }
    }
    return false;
}

static bool
take_clock(const char **at, Moment *moment)
{
    return take_number(at, 2, &moment->hour) && take_char(at, ':') && take_number(at, 2, &moment->minute) &&
           take_char(at, ':') && take_number(at, 2, &moment->second);
}

/* ".1" to ".123456789", or nothing: cut to milliseconds. */
static bool
take_fraction(const char **at, Moment *moment)
{
    int digits = 0;

    moment->millisecond = 0;
    if (!take_char(at, '.'))
        return true;
    for (; g_ascii_isdigit(**at); (*at)++, digits++)
        if (digits < 3)
            moment->millisecond = moment->millisecond * 10 + (**at - '0');
    for (int i = digits; i < 3; i++)
        moment->millisecond *= 10;
    return digits >= 1 && digits <= 9;
}

static bool
take_zone(const char **at, Moment *moment)
{
    int sign, hours, minutes;

    moment->offset_minutes = 0;
    if (take_char(at, 'Z'))
        return true;
    if (**at != '+' && **at != '-')
        return false;
    sign = **at == '-' ? -1 : 1;
    (*at)++;
    if (!take_number(at, 2, &hours))
        return false;
    take_char(at, ':');
    if (!take_number(at, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    moment->offset_minutes = sign * (hours * 60 + minutes);
    return true;
}

/* 2012-09-09T05:10:40.123-04:00 */
static bool
take_iso(const char *at, Moment *moment)
{
    return take_number(&at, 4, &moment->year) && take_char(&at, '-') && take_number(&at, 2, &moment->month) &&
           take_char(&at, '-') && take_number(&at, 2, &moment->day) && take_char(&at, 'T') && take_clock(&at, moment) &&
           take_fraction(&at, moment) && take_zone(&at, moment) && *at == '\0';
}

/* Tue Feb 14 09:02:48 2012, where a day below 10 has a space before it. */
static bool
take_locale(const char *at, Moment *moment, int *weekday)
{
    if (!take_word(&at, "MonTueWedThuFriSatSun", weekday) || !take_char(&at, ' ') ||
        !take_word(&at, "JanFebMarAprMayJunJulAugSepOctNovDec", &moment->month) || !take_char(&at, ' '))
        return false;
    moment->month++;
    if (!(take_char(&at, ' ') ? take_number(&at, 1, &moment->day) : take_number(&at, 2, &moment->day)))
        return false;
    return take_char(&at, ' ') && take_clock(&at, moment) && take_char(&at, ' ') &&
           take_number(&at, 4, &moment->year) && *at == '\0';
}

static bool
moment_to_ms(const Moment *moment, int *weekday, int64_t *ms)
{
    const int64_t julian_epoch = 719163; /* GLib's Julian day of 1970-01-01 */
    int64_t days, seconds;
    GDate date;

    if (moment->year < 1970 || moment->month < 1 || moment->month > 12 || moment->day < 1 ||
        !g_date_valid_dmy((GDateDay)moment->day, (GDateMonth)moment->month, (GDateYear)moment->year) ||
        moment->hour > 23 || moment->minute > 59 || moment->second > 59)
        return false;
    g_date_clear(&date, 1);
    g_date_set_dmy(&date, (GDateDay)moment->day, (GDateMonth)moment->month, (GDateYear)moment->year);
    *weekday = (int)g_date_get_weekday(&date) - 1;
    days = (int64_t)g_date_get_julian(&date) - julian_epoch;
    seconds = ((days * 24 + moment->hour) * 60 + moment->minute - moment->offset_minutes) * 60 + moment->second;
    *ms = seconds * 1000 + moment->millisecond;
    return *ms >= 0;
}

bool
oat_time_parse(const char *text, int64_t *ms)
{
    Moment moment = {.year = 0};
    int weekday, said;

    if (take_iso(text, &moment))
        return moment_to_ms(&moment, &weekday, ms);
    memset(&moment, 0, sizeof moment);
    return take_locale(text, &moment, &said) && moment_to_ms(&moment, &weekday, ms) && weekday == said;
}

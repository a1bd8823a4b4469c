// Tell the server the viewer's time zone, which it writes times in.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `tokens_tz=${zone};path=/;max-age=31536000;samesite=lax`;

/* The page's words in both languages. */

const WORDS = {
  id: {
    sandbox: "uji coba", reader: "Pembaca", editor: "Redaksi", role: "Peran", language: "Bahasa",
    theme: "Ganti tema terang atau gelap", chats: "Daftar obrolan", newsroom: "Meja redaksi contoh",
    newsroomHint: "Terbitkan berita di situs contoh, lalu lihat bot menyebarkannya.",
    ownTitle: "Judul sendiri (boleh kosong)", publish: "Terbitkan berita", correct: "Ralat judul",
    site: "Situs berita", feed: "Feed RSS", back: "Kembali ke daftar obrolan",
    lost: "Sambungan terputus, mencoba lagi…", messages: "Pesan",
    startHint: "Mulai obrolan dengan bot berita ini.", start: "Mulai", newest: "Ke pesan terbaru",
    channelClosed: "Hanya redaksi yang menulis di kanal ini.", cancelReply: "Batal membalas",
    commands: "Perintah bot", inline: "Cari berita untuk disisipkan", message: "Tulis pesan",
    send: "Kirim", ok: "OK", copied: "URL berhasil dicopy", copyFailed: "Tidak bisa menyalin",
    noAnswer: "Bot tidak menjawab", edited: "diedit", via: "lewat", reply: "Balas",
    forwarded: "Diteruskan dari", today: "Hari ini", yesterday: "Kemarin", bot: "bot",
    channel: "kanal", group: "grup", members: "anggota", photo: "Foto", document: "Dokumen",
    replyTo: "Membalas", noResults: "Tidak ada hasil", searching: "Mencari…", typing: "mengetik…",
    published: "Terbit", corrected: "Diralat", deskFailed: "Gagal", empty: "Belum ada pesan",
    failed: "Pesan tidak terkirim", noCommands: "Bot belum mendaftarkan perintah",
    opens: "membuka tab baru", spoiler: "Tampilkan", you: "Anda", pinnedTopic: "topik",
  },
  en: {
    sandbox: "try-out", reader: "Reader", editor: "Editor", role: "Role", language: "Language",
    theme: "Switch between light and dark", chats: "Chats", newsroom: "Sample newsroom",
    newsroomHint: "Publish a story on the sample site and watch the bot spread it.",
    ownTitle: "A headline of your own (optional)", publish: "Publish a story",
    correct: "Correct the title", site: "News site", feed: "RSS feed", back: "Back to the chats",
    lost: "Connection lost, trying again…", messages: "Messages",
    startHint: "Start a chat with this news bot.", start: "Start", newest: "To the newest message",
    channelClosed: "Only editors write in this channel.", cancelReply: "Cancel the reply",
    commands: "Bot commands", inline: "Find a story to insert", message: "Write a message",
    send: "Send", ok: "OK", copied: "Copied", copyFailed: "Could not copy",
    noAnswer: "The bot does not answer", edited: "edited", via: "via", reply: "Reply",
    forwarded: "Forwarded from", today: "Today", yesterday: "Yesterday", bot: "bot",
    channel: "channel", group: "group", members: "members", photo: "Photo", document: "Document",
    replyTo: "Reply to", noResults: "No results", searching: "Searching…", typing: "typing…",
    published: "Published", corrected: "Corrected", deskFailed: "Failed", empty: "No messages yet",
    failed: "The message was not sent", noCommands: "The bot has registered no commands",
    opens: "opens a new tab", spoiler: "Reveal", you: "You", pinnedTopic: "topic",
  },
};

let language = "id";

export function word(name) {
  return WORDS[language][name] ?? name;
}

export function locale() {
  return language === "id" ? "id-ID" : "en-GB";
}

export function useLanguage(code) {
  language = code in WORDS ? code : "id";
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = word(node.dataset.word);
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", word(node.dataset.label));
    if (node.matches("button")) node.title = word(node.dataset.label);
  }
  for (const node of document.querySelectorAll("[data-hint]")) node.placeholder = word(node.dataset.hint);
  return language;
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit" });
}

export function day(seconds) {
  const date = new Date(seconds * 1000);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 864e5);
  if (days === 0) return word("today");
  if (days === 1) return word("yesterday");
  return date.toLocaleDateString(locale(), { day: "numeric", month: "long", year: "numeric" });
}

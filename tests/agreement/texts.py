"""A hundred short and long texts in many scripts, each with a question."""

from __future__ import annotations

SENTENCES = (
    ("Who keeps the lighthouse?", "Ada Okonkwo keeps the unfathomable lighthouse at Skerryvore. She has two goats."),
    (
        "Où se trouve la bibliothèque ?",
        "L'ancienne bibliothèque se trouve à Besançon, près du pont. Elle ferme à 18 h.",
    ),
    (
        "Wer gründete die Bäckerei?",
        "Die Bäckerei in Füssen wurde 1987 von Käthe Großmann gegründet, mit 3.500 € Kredit.",
    ),
    ("¿Cuándo llegó el tren?", "El tren nocturno llegó a Córdoba a las 06:45, ¡con tres horas de retraso!"),
    ("Nhà ga ở đâu?", "Nhà ga cũ nằm ở phía đông thành phố Huế. Nó được xây dựng năm 1908."),
    ("Kale ne zaman yapıldı?", "İzmir'deki kale 1472 yılında yapıldı; bugün müze olarak kullanılıyor."),
    ("Gdzie mieszka Zofia?", "Zofia Łęcka mieszka w Łodzi od dwudziestu lat i uczy gry na skrzypcach."),
    ("Πού βρίσκεται το μουσείο;", "Το μουσείο βρίσκεται στη Θεσσαλονίκη. Άνοιξε το 1912 και έχει 6.000 εκθέματα."),
    ("Кто построил мост?", "Мост через Неву построил инженер Станислав Кербедз в 1850 году."),
    ("Де живе вчителька?", "Учителька Оксана живе в Чернівцях, біля старої їжатої вежі."),
    ("Որտե՞ղ է գրադարանը", "Գրադարանը գտնվում է Երևանում։ Այն բացվել է 1919 թվականին։"),
    ("სად არის ხიდი?", "ძველი ხიდი თბილისშია. ის 1851 წელს აშენდა."),
    ("מי כתב את הספר?", "את הספר כתבה לאה גולדברג בשנת 1954, בירושלים."),
    ("ما هي عاصمة فرنسا؟", "عاصمة فرنسا هي باريس، ويبلغ عدد سكانها ٢٫١ مليون نسمة."),
    ("پایتخت ایران کجاست؟", "پایتخت ایران تهران است و نزدیک به کوه‌های البرز می‌باشد."),
    ("لاہور کہاں ہے؟", "لاہور پاکستان کے صوبہ پنجاب میں دریائے راوی کے کنارے واقع ہے۔"),
    ("पुस्तकालय कहाँ है?", "पुराना पुस्तकालय वाराणसी में है। यह १८९४ में खुला था।"),
    ("সেতুটি কোথায়?", "পুরনো সেতুটি কলকাতায় অবস্থিত। এটি ১৯৪৩ সালে নির্মিত হয়।"),
    ("ਕਿਤਾਬ ਕਿਸਨੇ ਲਿਖੀ?", "ਇਹ ਕਿਤਾਬ ਅੰਮ੍ਰਿਤਾ ਪ੍ਰੀਤਮ ਨੇ 1950 ਵਿੱਚ ਲਿਖੀ ਸੀ।"),
    ("મંદિર ક્યાં છે?", "જૂનું મંદિર મોઢેરામાં છે અને તે ૧૦૨૬માં બંધાયું હતું."),
    ("கோயில் எங்கே உள்ளது?", "பழைய கோயில் தஞ்சாவூரில் உள்ளது. அது 1010 இல் கட்டப்பட்டது."),
    ("గుడి ఎక్కడ ఉంది?", "పాత గుడి హంపిలో ఉంది. దాన్ని 1510లో కట్టారు."),
    ("ದೇವಾಲಯ ಎಲ್ಲಿದೆ?", "ಹಳೆಯ ದೇವಾಲಯ ಬೇಲೂರಿನಲ್ಲಿದೆ. ಅದನ್ನು 1117ರಲ್ಲಿ ಕಟ್ಟಲಾಯಿತು."),
    ("പാലം എവിടെയാണ്?", "പഴയ പാലം കൊച്ചിയിലാണ്. അത് 1940ൽ തുറന്നു."),
    ("පුස්තකාලය කොහෙද?", "පැරණි පුස්තකාලය මහනුවර ඇත. එය 1925 දී විවෘත විය."),
    ("สะพานอยู่ที่ไหน", "สะพานเก่าอยู่ที่เชียงใหม่ สร้างเสร็จเมื่อ พ.ศ. 2466 และยังใช้อยู่"),
    ("ຕະຫຼາດຢູ່ໃສ?", "ຕະຫຼາດເກົ່າຢູ່ວຽງຈັນ ເປີດຕັ້ງແຕ່ປີ 1965."),
    ("ប្រាសាទនៅឯណា?", "ប្រាសាទចាស់នៅខេត្តសៀមរាប ហើយសាងសង់ក្នុងសតវត្សទី១២។"),
    ("တံတားက ဘယ်မှာလဲ", "တံတားဟောင်းသည် မန္တလေးမြို့တွင် ရှိပြီး ၁၉၃၄ ခုနှစ်တွင် ဖွင့်ခဲ့သည်။"),
    ("དགོན་པ་ག་པར་ཡོད།", "དགོན་པ་རྙིང་པ་ལྷ་སར་ཡོད། དེ་༡༤༠༩ལོར་བཞེངས།"),
    ("ቤተ መጻሕፍቱ የት ነው?", "አሮጌው ቤተ መጻሕፍት በጎንደር ይገኛል። በ1944 ተከፈተ።"),
    ("日本の首都はどこですか。", "日本の首都は東京です。人口は約1,400万人で、隅田川が流れています。"),
    ("图书馆在哪里？", "老图书馆位于苏州，建于一九一四年，藏书三十万册。"),
    ("橋是誰造的？", "這座橋是工程師茅以升於1937年在杭州建造的。"),
    ("도서관은 어디에 있습니까?", "오래된 도서관은 전주에 있으며 1923년에 문을 열었습니다."),
    ("Who eats 🍜?", "Zoë 👩🏽‍🚀 eats 🍜 in 🇫🇷 with her family 👨‍👩‍👧‍👦, says #food!"),
)
ODD = (
    ("What is left?", "  leading and trailing space \n\n and\ttabs   between\u00a0words  "),
    ("Where is it?", "See https://example.org/a_b?c=d&e=%20f#g or mail a.b+c@example.co.uk (ext. 12-34)."),
    ("What is x?", "Let 𝑥 ∈ ℝ, x² + y² ≤ 1, so that ∑ᵢ xᵢ = ½ and f(x)=eˣ."),
    ("Who is she?", "Zoe\u0308 Me\u0301ndez-Nu\u0303ez (born 1975-05-29) is a “co-founder” of Ångström & Co."),
    ("What is the code?", "def read(path): return {'a': [1, 2], \"b\": None}  # TODO"),
    ("Which one?", "AAAA aaaa Aaaa aAaA aaaa AAAA"),
    ("Who?", "."),
    ("When?", "1999-12-31T23:59:59Z"),
)
SEPARATED = (
    ("Who swims?", "Hedda\u200bLind\x0cswims\u00adin\ufeffOslo"),
    ("Wo?", "Die Stadt\x1b[31m Köln\x1b[0m liegt\x00am Rhein."),
)
"""With control characters, which a tokenizer deletes and joins what stood around them."""
LONG_CHARACTERS = 1_600
"""Length of a long text: several windows of every tokenizer."""


def _long(first: int) -> tuple[str, str]:
    context, i = "", first
    while len(context) < LONG_CHARACTERS:
        context += f"{SENTENCES[i % len(SENTENCES)][1]} {i}. "
        i += 5
    return SENTENCES[first % len(SENTENCES)][0], context


PAIRS = [(SENTENCES[i][0], f"{SENTENCES[i - 1][1]}\n{SENTENCES[i][1]}") for i in range(len(SENTENCES))]
TEXTS = [*SENTENCES, *PAIRS, *(_long(i) for i in range(18)), *ODD, *SEPARATED]

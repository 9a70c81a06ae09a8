// What a visitor can click to see an answer at once.
export const EXAMPLES = [
  {
    name: "A fact",
    passages: [
      "France is a country in Europe. Its capital city is Paris, which is known for the Eiffel Tower and Louvre Museum.",
    ],
    question: "What is the capital of France?",
  },
  {
    name: "A longer text",
    passages: [
      "The Fram was built in Larvik by Colin Archer, and launched in October 1892. Fridtjof Nansen had asked for a ship " +
        "that the ice would lift instead of crush: her sides are round, and her hull is up to 80 centimetres thick.\n\n" +
        "In 1893 Nansen let her freeze into the ice off Siberia, and drifted across the Arctic Ocean for three years. " +
        "Otto Sverdrup took her to the islands west of Greenland in 1898, and mapped 260,000 square kilometres.\n\n" +
        "Roald Amundsen borrowed the ship in 1910. He told his crew only in Madeira that they were bound for the South " +
        "Pole, which five of them reached on 14 December 1911. Since 1936 the Fram has stood in a museum in Oslo, on " +
        "the peninsula of Bygdøy.",
    ],
    question: "Where did Amundsen tell his crew about the South Pole?",
  },
  {
    name: "Several texts",
    passages: [
      "The museum opens at ten. On Mondays it is closed.",
      "The library opens at nine, and lends up to twelve books at a time.",
      "The swimming pool opens at seven. Children under six swim free of charge.",
    ],
    question: "How many books does the library lend?",
  },
  {
    name: "Emoji 🍜",
    passages: [
      "👩‍👩‍👧‍👦 On Friday we eat 🍜 at Mrs Tanaka's in Kyoto 🇯🇵, on Saturday 🍕 in Naples 🇮🇹, " +
        "and on Sunday everyone sleeps 😴.",
    ],
    question: "Who makes the noodles in Kyoto?",
  },
  {
    name: "العربية",
    passages: [
      "The sign at the harbour says ميناء الإسكندرية in tall white letters, and below it, much smaller, " +
        "Port of Alexandria.",
    ],
    question: "What does the sign say in tall white letters?",
  },
  {
    name: "No answer",
    passages: ["The bakery in Mill Lane opens at six in the morning. On Sundays it sells cake only."],
    question: "Who painted the Mona Lisa?",
  },
];
